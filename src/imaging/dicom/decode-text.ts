/**
 * Text of a DICOM element in whatever character set its file declares (PS3.3, C.12.1.1.2), as Unicode: one set for the
 * whole file, or several that escape sequences switch between (ISO 2022, as PS3.5, 6.1.2.5 uses it for Japanese, Korean
 * and Chinese names).
 *
 * Invariant: delimiters of values and of parts of a name switch back to the first set, as PS3.5, 6.1.2.5.3 asks.
 */

/** Labels of the encodings behind defined terms without code extensions; those with them begin with "ISO 2022 IR". */
const SETS: Readonly<Record<string, string>> = {
  "": "latin1",
  "ISO_IR 6": "latin1",
  "ISO_IR 100": "latin1",
  "ISO_IR 101": "iso-8859-2",
  "ISO_IR 109": "iso-8859-3",
  "ISO_IR 110": "iso-8859-4",
  "ISO_IR 144": "iso-8859-5",
  "ISO_IR 127": "iso-8859-6",
  "ISO_IR 126": "iso-8859-7",
  "ISO_IR 138": "iso-8859-8",
  "ISO_IR 148": "windows-1254",
  "ISO_IR 203": "iso-8859-15",
  "ISO_IR 166": "windows-874",
  "ISO_IR 13": "shift_jis",
  "ISO_IR 192": "utf-8",
  GB18030: "gb18030",
  GBK: "gbk",
  // Sets of two bytes stand second; where one stands alone, what no escape sequence begins is its own.
  "ISO 2022 IR 87": "latin1",
  "ISO 2022 IR 159": "latin1",
  "ISO 2022 IR 149": "euc-kr",
  "ISO 2022 IR 58": "gb18030",
};

/** Of the set that an escape sequence begins; JIS sets of two bytes are read by EUC-JP, which holds them from 0x80 on. */
const ESCAPED: Readonly<Record<string, { readonly encoding: string; readonly form?: "jis208" | "jis212" }>> = {
  "(B": { encoding: "latin1" },
  "(J": { encoding: "shift_jis" },
  ")I": { encoding: "shift_jis" },
  "-A": { encoding: "latin1" },
  "-B": { encoding: "iso-8859-2" },
  "-C": { encoding: "iso-8859-3" },
  "-D": { encoding: "iso-8859-4" },
  "-L": { encoding: "iso-8859-5" },
  "-G": { encoding: "iso-8859-6" },
  "-F": { encoding: "iso-8859-7" },
  "-H": { encoding: "iso-8859-8" },
  "-M": { encoding: "windows-1254" },
  "-b": { encoding: "iso-8859-15" },
  "-T": { encoding: "windows-874" },
  $B: { encoding: "euc-jp", form: "jis208" },
  "$@": { encoding: "euc-jp", form: "jis208" },
  "$(D": { encoding: "euc-jp", form: "jis212" },
  "$)C": { encoding: "euc-kr" },
  "$)A": { encoding: "gb18030" },
};
const ESCAPE = 0x1b;
const DELIMITERS = new Set(["^", "=", "\\", "\r", "\n", "\f", "\t"].map((text) => text.charCodeAt(0)));
const THIRD_PLANE = 0x8f;

/**
 * @param terms Specific Character Set (0008,0005) as it is written, backslashes and all; "" where there is none.
 * @returns the text without padding; bytes of no character are U+FFFD.
 */
export function decodeText(bytes: Uint8Array, terms: string): string {
  const [first] = terms.split("\\").map((term) => term.trim());
  const initial = { encoding: SETS[first] ?? SETS[first.replace("ISO 2022 IR", "ISO_IR")] ?? "utf-8" };
  const knowsEscapes = first.startsWith("ISO 2022") || !/^(utf-8|gb18030|gbk)$/.test(initial.encoding);
  // UTF-8 and GB18030 know no escape sequences, and their characters may hold the bytes of delimiters.
  const text = !knowsEscapes ? new TextDecoder(initial.encoding).decode(bytes) : decodeEscaped(bytes, initial);
  return text.replace(/[\0 ]+$/, "").trim();
}

type CodeSet = (typeof ESCAPED)[string];

function decodeEscaped(bytes: Uint8Array, initial: CodeSet): string {
  let [text, set, from] = ["", initial, 0];
  const end = (to: number): void => {
    text += decodePart(bytes.subarray(from, to), set);
  };
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] === ESCAPE) {
      const length = [3, 2].find((n) => Object.hasOwn(ESCAPED, latin(bytes.subarray(at + 1, at + 1 + n))));
      if (length === undefined) continue;
      end(at);
      set = ESCAPED[latin(bytes.subarray(at + 1, at + 1 + length))];
      from = at + 1 + length;
      at += length;
    } else if (DELIMITERS.has(bytes[at]) && set.form === undefined) {
      end(at + 1);
      set = initial;
      from = at + 1;
    }
  }
  end(bytes.length);
  return text;
}

function decodePart(bytes: Uint8Array, { encoding, form }: CodeSet): string {
  const decoder = new TextDecoder(encoding);
  if (form === undefined) return decoder.decode(bytes);
  const high = Array.from(bytes, (byte) => byte | 0x80);
  if (form === "jis208") return decoder.decode(Uint8Array.from(high));
  return decoder.decode(Uint8Array.from(high.flatMap((byte, i) => (i % 2 === 0 ? [THIRD_PLANE, byte] : [byte]))));
}

function latin(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
