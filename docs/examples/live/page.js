"use strict";

const byId = (id) => document.getElementById(id);
const form = byId("ask");
const state = byId("state");
const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(2)} s`;

/* One side of the page: its texts, its figures, and a mark for each arrival. */
class Side {
  constructor(root) {
    this.texts = { thinking: root.querySelector(".thinking"), answer: root.querySelector(".answer") };
    this.figures = Object.fromEntries(
      ["first", "speed", "tokens", "bytes"].map((name) => [name, root.querySelector(`.${name} dd`)]),
    );
    this.path = root.querySelector("path");
    this.waits = root.id === "whole";
  }

  begin() {
    this.started = performance.now();
    this.arrivals = [];
    this.tokens = this.bytes = 0;
    this.first = this.last = null;
    this.running = true;
    for (const text of Object.values(this.texts)) {
      text.replaceChildren();
      text.classList.toggle("waits", this.waits);
    }
  }

  arrived(tokens) {
    this.last = performance.now() - this.started;
    this.first ??= this.last;
    this.arrivals.push(this.last);
    this.tokens = tokens;
  }

  show(name, text) {
    this.texts[name].append(text);
    for (const [key, element] of Object.entries(this.texts)) element.classList.toggle("live", key === name && !this.waits);
  }

  end() {
    this.running = false;
    for (const text of Object.values(this.texts)) text.classList.remove("live", "waits");
  }

  draw(now, scale) {
    const none = this.first === null;
    const waits = none && this.running;
    this.figures.first.textContent = waits ? seconds(now - this.started) : none ? "–" : seconds(this.first);
    this.figures.first.classList.toggle("running", waits);
    this.figures.speed.textContent = none ? "–" : ((this.tokens * 1000) / this.last).toFixed(1);
    this.figures.tokens.textContent = none ? "–" : this.tokens;
    this.figures.bytes.textContent = this.bytes ? this.bytes.toLocaleString("en") : "–";
    this.path.setAttribute("d", this.arrivals.map((time) => `M${((time / scale) * 996 + 2).toFixed(1)} 1.5V8.5`).join(""));
  }
}

const streamed = new Side(byId("streamed"));
const whole = new Side(byId("whole"));

/* For screen readers: whole sentences, and at most one message in a few seconds, whatever the pace of the tokens. */
const speech = {
  gap: 4000,
  waiting: "",
  open: "",
  next: 0,
  timer: null,
  text(piece) {
    this.open += piece;
    const end = Math.max(...[". ", ".\n", "! ", "? ", ": ", "\n"].map((mark) => this.open.lastIndexOf(mark)));
    if (end >= 0) {
      this.say(this.open.slice(0, end + 1));
      this.open = this.open.slice(end + 1);
    }
  },
  say(words) {
    this.waiting += `${words.trim()} `;
    this.timer ??= setTimeout(() => this.flush(), Math.max(0, this.next - performance.now()));
  },
  flush() {
    clearTimeout(this.timer);
    this.timer = null;
    if (this.waiting.trim()) byId("spoken").append(Object.assign(document.createElement("span"), { textContent: this.waiting }));
    this.waiting = "";
    this.next = performance.now() + this.gap;
  },
  close(words) {
    this.say(`${this.open} ${words}`);
    this.open = "";
  },
  clear() {
    clearTimeout(this.timer);
    this.timer = null;
    this.waiting = this.open = "";
    byId("spoken").replaceChildren();
  },
};

function tell(text, alert = false) {
  state.textContent = text;
  state.classList.toggle("alert", alert);
}

let run = null; // what is under way: { controller, said }

async function ask(path, query, signal) {
  const response = await fetch(`${path}?${query}`, { signal, cache: "no-store" });
  if (!response.ok) throw new Error(`The server refuses: ${await response.text()}`);
  return response;
}

/* The events in a body, with the bytes that came for them. LF ends a line here, as this server sends it. */
async function* events(body, count) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let open = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    count(value.length);
    const blocks = (open + decoder.decode(value, { stream: true })).split("\n\n");
    open = blocks.pop();
    for (const block of blocks) {
      const event = { event: "message", data: [], id: "" };
      for (const line of block.split("\n")) {
        const [, name, text] = /^([^:]*):? ?(.*)$/.exec(line);
        if (name === "data") event.data.push(text);
        else if (name in event) event[name] = text;
      }
      yield { ...event, data: event.data.join("\n") };
    }
  }
}

async function takeStream(mine, query) {
  const response = await ask("stream", query, mine.controller.signal);
  for await (const { event, data, id } of events(response.body, (length) => (streamed.bytes += length))) {
    if (run !== mine) return;
    if (event === "stopped") throw new Error("stopped");
    if (event === "done") {
      streamed.tokens = Number(data);
      return;
    }
    streamed.arrived(Number(id));
    streamed.show(event, data);
    if (mine.part !== event) {
      mine.part = event;
      tell(event === "thinking" ? "Thinking …" : "Answering …");
      if (event === "thinking") speech.say("Thinking.");
    }
    if (event === "answer") speech.text(data);
  }
  throw new Error("stopped"); // the body ended, and nothing said that it was complete
}

async function takeWhole(mine, query) {
  const response = await ask("whole", query, mine.controller.signal);
  const body = await response.arrayBuffer();
  const answer = JSON.parse(new TextDecoder().decode(body));
  if (run !== mine) return;
  if (answer.stopped) throw new Error("stopped");
  whole.bytes = body.byteLength;
  whole.arrived(answer.tokens);
  whole.show("thinking", answer.thinking);
  whole.show("answer", answer.answer);
}

function start() {
  if (run) stop("");
  const mine = { controller: new AbortController(), part: "" };
  run = mine;
  const query = new URLSearchParams(new FormData(form));
  byId("stop").setAttribute("aria-disabled", "false");
  speech.clear();
  tell("Waits for the first token …");
  const sides = [
    [streamed, takeStream],
    [whole, takeWhole],
  ].map(async ([side, take]) => {
    side.begin();
    try {
      await take(mine, query);
    } finally {
      if (run === mine) side.end();
    }
  });
  requestAnimationFrame(frame);
  Promise.allSettled(sides).then((results) => {
    if (run !== mine) return;
    const failed = results.find((result) => result.status === "rejected");
    if (failed) return finish(reason(failed.reason), true);
    finish(`Complete: ${streamed.tokens} tokens in ${seconds(streamed.last)}.`);
  });
}

/* What went wrong, in words. A TypeError of fetch or of a reader is a connection that was not there, or broke off. */
function reason(error) {
  if (error.message.startsWith("The server refuses")) return error.message;
  if (streamed.first === null && error.message !== "stopped") return "The server does not answer.";
  return "The server stopped before the answer was complete.";
}

function stop(text) {
  run.controller.abort();
  finish(text);
}

function finish(text, alert = false) {
  run = null;
  streamed.end();
  whole.end();
  byId("stop").setAttribute("aria-disabled", "true");
  tell(text, alert);
  speech.close(text);
  if (alert) speech.flush();
  frame();
  watch();
}

function frame() {
  const now = performance.now();
  const scale = Math.max(3000, ...[streamed, whole].map((side) => (side.running ? now - side.started : side.last ?? 0)));
  for (const side of [streamed, whole]) side.draw(now, scale);
  if (run) requestAnimationFrame(frame);
}

/* The number of open sources, asked for twice a second while somebody looks: to hold a connection open would take one of
   the six that a browser has for a server. */
let timer = null;

async function watch() {
  clearTimeout(timer);
  try {
    const response = await fetch("sources", { cache: "no-store" });
    const { open } = await response.json();
    byId("open").textContent = open;
    byId("sources").classList.toggle("some", open > 0);
    if (state.textContent === "The server does not answer.") tell("Ready.");
  } catch {
    byId("open").textContent = "–";
    byId("sources").classList.remove("some");
    if (!run && !state.classList.contains("alert")) tell("The server does not answer.", true);
  }
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(watch, 500);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});
byId("stop").addEventListener("click", () => {
  if (run) stop(`Stopped after ${streamed.tokens} tokens.`);
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && run) byId("stop").click();
});
document.addEventListener("visibilitychange", watch);
addEventListener("pageshow", watch);
