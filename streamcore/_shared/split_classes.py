"""Classes of characters that steps of a ``tokenizer.json`` name: those of tokenizers 0.23.

Digits has the numbers of Unicode 17, Punctuation the punctuation of Unicode 8 and all of ASCII's, Whitespace the word
characters of Unicode 16, StripAccents the marks of Unicode 9. Each is written as ranges in base 36: how far one starts
beyond the end of the one before, and its length less one.
"""

from __future__ import annotations

from functools import cache

__all__ = ["class_of", "in_regex"]

_NUMBERS = (
    "1c:9 3d:1 6 3:2 142:9 3r:9 5j:9 bh:9 3b:9 5:5 31:9 3b:9 3b:9 3:5 33:c 38:9 9:6 2w:9 2x:6 8:i 32:9 "
    "2p:9 3b:9 1z:j 7h:9 1z:9 k0:j oi:2 6o:9 7:9 n:9 8d:9 3l:a 4m:9 7:9 53:9 2f:9 3r:9 7:9 t3 4:5 7:9 "
    "5j:1e 3:4 k7:1n 27:l hj:t 12i lm q:8 f:2 9k:3 3v:9 v:7 2:e x:9 14:e msh:9 59:9 8x:5 4b:9 13:9 5j:9 "
    "n:9 2f:9 bb:9 gev:9 dq:18 d:1k i:1 9i:q 11:3 u 9 3r:4 5n:9 q7:7 q:6 14:8 24:4 n:5 4h:1 3:f 3:19 1t:8 "
    "1h:1 v:2 24:4 2x:7 p:7 16:6 97:5 1d:9 7:9 7r:u 4f:9 17:3 35:6 3r:t 3l:9 1p:9 41:9 8:j 70:9 9j:9 3b:9 "
    "af:9 2v:9 7:j 25:b bp:i 2m:9 if:9 2f:s 6c:9 1z:9 1j:9 9z:9 2v:k to:32 c02:9 1t3:9 2f:9 3r:9 2:6 en:9 "
    "7b:m 9q:2 id6:9 153:j d:j 31:o uu:1d 1tt:9 br:9 dz:9 6w:9 jx:8 3l:9 m0:1m 2:2 2:3 25:18 2:e qr:c "
    "25g:9"
)
_PUNCTUATION = (
    "x:e b:6 r:5 r:3 z 6 4 b:1 4 4 jj 9 cz:5 16:1 1g 2 3 3 19:1 l:1 2:1 e 3:1 23:3 2v 18:d 6i:2 1j:e w "
    "7a:1 b ao lg 2j b:1 4p:e 2 12:3 20 23:4 5:1 34:5 4s h1:8 48 h9:1 19:1 27:2 20:1 4e:2 2:2 12:a 8q:1 "
    "61:1 3l:6 2:5 4t:6 4c:3 1o:4 1r:1 1t:7 c n1:n 9:j 2:c 2:b v:1 f:1 hm:3 u:1 u6:d 28:1 w:9 b8:l 1s:3 "
    "x:1 l8:3 2:1 35 40:1a 2:i cf:2 5:9 3:b h d 2r 2j mwz:1 7i:2 2s b 38:5 al:3 2f:1 15:2 2 1e:1 1c 2q:c "
    "h:1 3h:3 3j:1 h:1 6y g2b:1 5t:9 n:y 2:d 2 5 2:1 46:2 2:5 2:3 b:1 4:1 r:2 2 s 2 2:6 bf:2 il 1d bj ko "
    "5k w 7l:8 13 35:6 1v:6 2i:3 x7:6 32:1 2:3 3j:3 1d:1 28:4 4 e 2:2 2h:5 30 f1 6z:m 2y:2 6x:2 2lu:4 "
    "dtm:1 3q 1u:4 9 g2j 5wo:4"
)
_WORD = (
    "1c:9 8:p 5 2:p 1c b 5 6:m 2:u 2:cp 5:b f:4 8 2 i:38 2:1 3:3 2 7 2:2 2 2:j 2:2a 2:3u 2:4s 2:11 3 7:14 "
    "9:18 2 2:1 2:1 2 9:q 5:3 u:a 6:21 5:2t 2:7 3:9 2:i 3 h:1m 3:2s f:1h 5 3 3:19 j:r 5:a 6:n 2:5 9:22 "
    "2:3k 3:9 2:i 2:7 3:1 3:l 2:6 2 4:3 3:8 3:1 3:3 9 5:1 2:4 3:b b 2 3:2 2:5 5:1 3:l 2:6 2:1 2:1 2:1 3 "
    "2:4 5:1 3:2 4 8:3 2 8:f c:2 2:8 2:2 2:l 2:6 2:1 2:4 3:9 2:2 2:2 3 g:3 3:9 a:6 2:2 2:7 3:1 3:l 2:6 "
    "2:1 2:4 3:8 3:1 3:2 8:2 5:1 2:4 3:9 2 h:1 2:5 4:2 2:3 4:1 2 2:1 4:1 4:2 4:b 5:4 4:2 2:3 3 7 f:9 h:c "
    "2:2 2:m 2:f 3:8 2:2 2:3 8:1 2:2 3 3:3 3:9 h:3 2:7 2:2 2:m 2:9 2:4 3:8 2:2 2:3 8:1 7:1 2:3 3:9 2:2 "
    "d:c 2:2 2:1e 2:2 2:4 6:3 8:4 3:9 b:5 2:2 2:h 4:n 2:8 2 3:6 4 5:5 2 2:7 7:9 3:1 e:1l 6:e 2:9 14:1 2 "
    "2:4 2:n 2 2:m 3:4 2 2:6 2:9 3:3 x o:1 7:9 c 2 2 5:9 2:z 5:j 2:h 2:z a 1m:21 7:25 3:11 2 6 3:16 2:98 "
    "2:3 3:6 2 2:3 3:14 2:3 3:w 2:3 3:6 2 2:3 3:e 2:1k 2:3 3:1u 3:2 x:f h:2d 3:5 4:h7 3:g 2:p 6:22 4:a "
    "8:l a:l c:j d:c 2:2 2:1 d:2b 4 5:1 3:9 y:2 2:a 7:2g 8:16 6:1x b:u 2:b 5:b b:13 3:4 c:17 5:p 7:9 13:r "
    "5:1q 2:s 3:a 7:9 e 9:u 1e:24 4:9 i:8 d:37 d:1j 9:9 4:1c 3:a 6:16 3:2 h:2 2:12 6:et 3:5 3:11 3:5 3:7 "
    "2 2 2 2:u 3:1g 2:6 2 4:2 2:6 4:3 3:5 5:c 6:2 2:6 g:1 1e:1 k t e h:c 1g:w i 5 3:9 2 4:4 7 2 2 2:3 2:a "
    "3:3 6:4 5 i:14 mm:1f 1ef:6c 7:8 d:11 2 6 3:1j 8 g:n a:6 2:6 2:6 2:6 2:6 2:6 2:6 2:6 2:v 1c d2:2 q:e "
    "2:4 3:4 5:2d 3:1 3:2 2:2h 2:3 6:16 2:2l i:v 1d:f e9:533 1t:h3g 1w:19 3:7g 4:r l:1e 2:9 2:36 12:8 "
    "3:2u 3:1u 3:1 2 2:7 m:1h 5 k:1f d:1x b:9 7:n 4 2:1c 3:z d:s 4:1s f:a 7:u 2:1i a:d 3:9 7:m 4:20 p:2 "
    "3:f 3:4 b:5 3:5 3:5 a:6 2:6 2:16 2:d 7:3e 2:1 3:9 7:8mb d:m 5:1c 6it:a5 3:2x 13:6 d:4 6:b 2:c 2:4 2 "
    "2:1 2:1 2:2z y:a2 j:1r 3:1h 15:b 5:f h:f 4:1 p:2 x:4 2:3q k:9 8:p 5 2:p c:2g 4:5 3:5 3:5 3:2 10:b "
    "2:p 2:i 2:1 2:e 3:d z:3e 1y:1g 3t 3n:s 4:1c g w:v e:t 6:16 6:t 3:z 5:7 2:4 17:4d 3:9 7:z 5:z 5:13 "
    "9:1f d:a 2:e 2:6 2:1 2:a 2:e 2:6 2:1 4:1f d:8m a:l b:7 p:5 2:15 2:8 1y:5 3 2:17 2:1 4 3:m b:m a:u "
    "1u:i 2:1 b:l b:p 1z:1j 7:1 1t:3 2:1 6:7 2:2 2:s 3:2 5 x:s 4:s 10:7 2:t q:1h b:l b:i e:h 33:20 1k:1e "
    "e:1e e:13 9:9 7:11 4:4 2:m 6z:15 2:1 4:1 h:2 1k:w b 9:w w:l 17:k s:m a:1y w:f a:1n 8 e:o 8:9 7:1g "
    "2:9 5:3 9:z 3 a:1w 5:3 2:c 2 10:h 2:10 7:3 1r:6 2 2:3 2:e 2:9 8:1m 6:9 7:3 2:7 3:1 3:l 2:6 2:1 2:4 "
    "2:9 3:1 3:2 3 7 6:6 3:6 4:4 c:9 2 3 2:11 2:9 2 3 2:3 2:7 e:1 u:22 6:9 5:3 v:1x 2 9:9 4n:1h 3:8 o:5 "
    "z:1s 4 c:9 13:1k 8:9 7:j t:q 3:e 5:9 7:6 56:1m 2u:21 m:7 3 3:7 2:1 2:t 2:1 3:8 d:9 1z:7 3:19 3:7 2:1 "
    "s:1q 9 9:21 4 j:20 5k:w g:9 7:8 2:18 2:8 g:9 p:t 3:l 2:d 22:6 2:1 2:17 4 2:1 2:8 9:9 7:5 2:1 2:10 "
    "2:1 2:5 8:9 8n:m a:g 2:14 4:4 e:a 2e 28:pl 2v:32 i:5f 219:2o g:tr h:l b:32y 6:g6 5a2:1l 1c7:fs 8:u "
    "2:9 7:26 2:9 7:t 3:4 c:1i a:3 d:9 a:k 6:i c1:18 4:9 5j:1r 3l:22 5:1k 8:g 1t:1 2:1 c:1 f:4qf 9:yd "
    "16:9 6w8:3 2:6 2:1 2:82 g u:2 3 f:3 9:az 1s5:2y 6:c 4:8 8:9 4:1 382:9 ef:19 3:m f3:4 4:5 9:7 3:6 v:3 "
    "45:2 cc:2c 2:1y 2:1 3 3:1 3:3 2:b 2 2:6 2:1s 2:3 3:7 2:6 2:r 2:3 2:4 2 4:6 2:9f 3:o 2:o 2:u 2:o 2:u "
    "2:o 2:u 2:o 2:u 2:o 2:7 3:1d e9:1i 5:1d 9 f n:4 2:e up:u 7:5 5y:6 2:g 3:6 2:1 2:4 6:1p y 35:18 4:d "
    "3:9 5 8y:u i:1l d3:15 5z:16 di:6 2:3 2:1 2:e 2:5g c:6 16:23 5:9 x3:3 2:q 2:1 2 3 2:9 2:3 2 2 7 5 2 2 "
    "2:2 2:1 2 3 2 2 2 2 2:1 2 3:3 2:6 2:3 2:3 2 2:9 2:g 6:2 2:4 2:g hh:p 7:p 7:p 21z:9 sn:wyn x:37d 7:65 "
    "3:4g1 f:5rk g:h9 1wj:f1 15v:3t6 6:38f f9e9:6n"
)
_MARKS = (
    "lc:33 7o:6 7c:18 2 2:1 2:1 2 21:a 1d:k h 2u:6 3:5 3:1 2:3 10 v:q 2k:a 1n:8 z:3 2:8 2:2 2:4 18:2 3d:d "
    "2:w 1j:2 2:h 2:6 b:1 u:2 1l 2:6 3:1 3:2 a b:1 u:2 1l 2:4 5:1 3:2 4 v:1 4 c:2 1l 2:7 2:2 2:2 l:1 u:2 "
    "1l 2:6 3:1 3:2 9:1 b:1 v 1o:4 4:2 2:3 a 15:3 1n:6 2:2 2:3 8:1 c:1 u:2 1l 2:6 2:2 2:3 8:1 c:1 u:2 "
    "1n:6 2:2 2:3 a b:1 v:1 1z 5:5 2 2:7 j:1 1q 3:6 d:7 2r 3:5 2:1 c:5 23:1 s 2 2 5:1 1e:j 2:1 6:a 2:z a "
    "2t:j o:3 5:2 2:2 3:6 4:3 e:b 2 b:3 jk:2 qb:2 u:2 u:1 v:1 1t:v a 1a:2 3c:1 z 3b:b 5:b 64:4 1m:9 2:s 3 "
    "1d:e 1u:4 1c:g 13:8 d:2 v:c 1l:d 1d:j 49:2 2:k 5 5:2 4:1 5j:1h 6:4 k1:w 2db:2 3y 2p:v ff:5 2y:1 "
    "n9x:3 2:9 x:1 29:1 7l 4 5 o:4 2h:1 1f:h r:h 1h:7 q:c 19:3 1c:d 11 1w:d d 9:1 1a:2 1f 2:2 3:1 6:1 2 "
    "16:4 6:1 6l:7 2:1 fn5 ki:f h:f r2 6b 46:4 1af:2 2:1 6:3 15:2 5 4m:1 10a:2 1i:e 1l:3 1a:a 1y:2 11:d "
    "1r d:2 1d:d a:2 2o:b 7 4h:b m:3 1l 2:6 3:1 3:2 a b:1 3:6 4:4 5d:h 2y:j 6k:6 3:8 s:1 2b:g 2z:c 2u:e "
    "zo:7 2:7 2b:l 2:d fga:4 1o:6 t7:19 h:3 f7v:1 43r:4 4:5 9:7 3:6 v:3 45:2 1j0:1i 5:1d 9 f n:4 2:e "
    "11t:6 2:g 3:6 2:1 2:4 1pi:6 32:6 gzhy:6n"
)
_CLASSES = {"numbers": _NUMBERS, "punctuation": _PUNCTUATION, "word": _WORD, "marks": _MARKS}


@cache
def class_of(name: str) -> tuple[tuple[int, int], ...]:
    """The first and last code point of each range of a class."""
    ranges = []
    at = 0
    for part in _CLASSES[name].split():
        start, _, more = part.partition(":")
        first = at + int(start, 36)
        at = first + int(more or "0", 36)
        ranges.append((first, at))
    return tuple(ranges)


def in_regex(name: str) -> str:
    """The inside of a set of the regex module."""
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in class_of(name))
