"""What of an output folder can be kept: which receipts are trusted, and what makes a run refuse the folder."""

from __future__ import annotations

import glob
import json
import os
import re
import zlib
from array import array
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, Literal, cast

from .closing import META, read_meta, remove_meta
from .manifest import BadManifest, Done, OtherJob, fingerprint, lines_of, manifests
from .places import Place
from .planning import Plan
from .result import FailedPart
from .task import Job

Resume = Literal[True, False, "verify", "force"]
PLAN: Final = "plan.json"
WORDS: Final = {
    "pipeline": "the pipeline",
    "vocabulary": "the vocabulary of the pipeline",
    "format": "the format",
    "eod": "eod",
    "split": "the split of the plan",
    "key": "the key of the plan",
    "streamcore": "the version of streamcore",
}


def checked_resume(resume: Any) -> Resume:
    if isinstance(resume, bool) or (isinstance(resume, str) and resume in ("verify", "force")):
        return cast("Resume", resume)
    raise ValueError(f"resume must be True, False, 'verify' or 'force', got {resume!r}")


def trusted(
    job: Job, head: dict[str, Any], resume: Resume, sizes: Mapping[str, int], *, whole: bool = False
) -> Done:
    """The parts of the plan whose receipts hold, of all manifests of the folder. ``sizes``: what is there.

    ``OtherJob`` where a part was done by another pipeline or from another input, and its files are there (with
    ``resume=False`` such a receipt counts for nothing). ``whole``: take it that all files are there.
    """
    plan = job.plan
    done = Done(len(plan))
    others: dict[int, list[str]] = {}
    for path in manifests(job.folder):
        number = done.manifest(path)
        places, different = last_verdicts(job, path, head, resume, None if whole else sizes)
        for part, place in enumerate(places):
            if place >= 0:
                done.set(part, number, place)
        others = different | others
    for part, what in others.items():
        # a part that was kept by force has one receipt of another job, and one of this
        if part >= len(plan) or not done.has(part):
            raise OtherJob(refusal(job.place.name, what or [changed_part(job.folder, plan, part)]))
    return done


def last_verdicts(
    job: Job, path: str, head: dict[str, Any], resume: Resume, sizes: Mapping[str, int] | None
) -> tuple[array[int], dict[int, list[str]]]:
    """What the last receipt of each part in a manifest is worth: its place (-1: nothing), or how it is of another job.

    ``sizes``: what is there; None if all of it is.
    """
    plan = job.plan
    places = array("q", [-1]) * len(plan)
    others: dict[int, list[str]] = {}
    theirs: dict[str, Any] = {}
    different: list[str] = []
    for place, line in lines_of(path):
        if "manifest" in line:
            theirs, different = line, differences(line, head)
            continue
        if "failed" in line:
            continue
        part = line["part"]
        if resume != "force":
            check_place(job.folder, theirs, head)
        others.pop(part, None)
        if part < len(plan):
            places[part] = -1
        if sizes is not None and any(sizes.get(name) != size for name, size, _ in line["files"]):
            continue
        if resume != "force" and (
            different or part >= len(plan) or line["input"] != fingerprint(plan, plan[part])
        ):
            if resume is not False:
                others[part] = different
        elif part < len(plan):
            places[part] = place
    if resume == "verify" and sizes is not None:
        verify(job, path, places)
    return places, others


def verify(job: Job, path: str, places: array[int]) -> None:
    """Drop the receipts whose files do not hold what they say."""
    with open(path, "rb") as file:
        for part, place in enumerate(places):
            if place >= 0:
                file.seek(place)
                files = json.loads(file.readline())["files"]
                if any(crc_of(job.place, name, size) != crc for name, size, crc in files):
                    places[part] = -1


def check_place(folder: str, theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    """Receipts say nothing of files that lie elsewhere."""
    if theirs.get("out") != ours.get("out"):
        theirs, ours = ({"out": folder, **each} for each in (theirs, ours))
        raise OtherJob(
            f"{folder} holds the manifest of the output {theirs['out']}, not of {ours['out']}: take another folder,"
            " or resume='force' if its files have moved"
        )


def failed_before(folder: str, plan: Plan, head: dict[str, Any], done: Done) -> list[FailedPart]:
    """Parts that are not done, and that the last run of their driver gave up: of the same job and input."""
    found: dict[int, FailedPart] = {}
    for path in manifests(folder):
        theirs: dict[str, Any] = {}
        last: dict[int, dict[str, Any]] = {}
        for _, line in lines_of(path, having=(b'"failed"', b'"manifest"')):
            if "manifest" in line:
                theirs, last = line, {}
            elif "failed" in line:
                last[line["failed"]] = line
        for part, line in last.items():
            if (
                not differences(theirs, head)
                and part < len(plan)
                and not done.has(part)
                and line.get("input") == fingerprint(plan, plan[part])
            ):
                found[part] = FailedPart(part, where(plan, part), line["error"], line["attempts"])
    return [found[part] for part in sorted(found)]


def where(plan: Plan, part: int) -> str:
    """The beginning of a part, for a message."""
    first = plan[part].pieces[0]
    return f"{first.uri} from byte {first.start}"


def differences(theirs: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    return [
        f"{words} was {theirs.get(key)!r}, is {ours[key]!r}"
        for key, words in WORDS.items()
        if theirs.get(key) != ours[key]
    ]


def refusal(folder: str, different: list[str]) -> str:
    return (
        f"{folder} holds parts of another job: {'; '.join(different)}."
        " Take another folder, resume=False to start anew, or resume='force' to keep what is there"
    )


def changed_part(folder: str, plan: Plan, part: int) -> str:
    """How the input of a part that is done differs from what it was."""
    try:
        with open(os.path.join(folder, PLAN), "rb") as file:
            before = Plan.from_json(file.read())
    except (FileNotFoundError, ValueError):
        return f"part {part} was made from another input, and {PLAN}, which said from which, is gone"
    if part >= len(plan):
        return f"part {part} is done, and the plan has {len(plan)} parts (it had {len(before)})"
    if part < len(before):
        if before[part].pieces != plan[part].pieces:
            return f"part {part} was {ranges(before, part)}, is {ranges(plan, part)}"
        for uri in {piece.uri: None for piece in plan[part].pieces}:
            old, new = before.input(uri), plan.input(uri)
            if old != new:
                sizes = (
                    f"had {old.size} bytes, has {new.size}" if old.size != new.size else "has another time"
                )
                return f"{uri}, which part {part} was made from, {sizes}"
    return f"part {part} was made from another input"


def ranges(plan: Plan, part: int) -> str:
    first, *rest = plan[part].pieces
    more = f" and {len(rest)} more" if rest else ""
    return f"bytes {first.start} to {first.end} of {first.uri}{more}"


def crc_of(place: Place, name: str, size: int) -> int:
    crc = 0
    for data in place.blocks(name, size):
        crc = zlib.crc32(data, crc)
    return crc


def write_plan(folder: str, plan: Plan, attempt: str) -> None:
    """The plan beside the output, if another one or none is there."""
    path, text = os.path.join(folder, PLAN), plan.to_json()
    try:
        with open(path, "rb") as file:
            if file.read() == text.encode():
                return
    except FileNotFoundError:
        pass
    temporary = f"{path}.{attempt}.tmp"
    with open(temporary, "x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def start_anew(job: Job, head: dict[str, Any]) -> None:
    """Remove what the manifests of the folder name, and them; other files are not touched."""
    names: dict[str, None] = {}
    for path in manifests(job.folder):
        with suppress(BadManifest):  # what it names up to there
            for _, line in lines_of(path):
                if "manifest" in line:
                    check_place(job.folder, line, head)
                for name, _, _ in line.get("files", ()):
                    if re.fullmatch(r"part-\d+\.[a-z]+", name):
                        names[name] = None
    sizes = job.place.sizes()
    meta = None
    with suppress(ValueError):  # not what a run wrote
        meta = read_meta(job.place, sizes)
    if META in sizes:
        remove_meta(job.place, sizes, meta)
    job.place.remove([name for name in names if name in sizes])
    for path in [*manifests(job.folder), os.path.join(job.folder, PLAN)]:
        remove(path)


def remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def temporary_files(folder: str, mine: range | None = None) -> Iterator[str]:
    """What runs and attempts that died left: all of it, or that of some parts."""
    for path in glob.glob(os.path.join(glob.escape(folder), "*.tmp")):
        found = re.match(r"(?:part-(\d+)|job|plan|meta)\.", os.path.basename(path))
        if found and (mine is None or (found[1] and int(found[1]) in mine)):
            yield path
