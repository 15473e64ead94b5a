import { Line, type Pieces } from "../../event/line.js";
import { findFields } from "./fields.js";

const LETTER_I = 105;
const LETTER_K = 107;
const LETTER_V = 86;

/**
 * The fields of the event `name`, whose text (behind an address part) begins at `from`: key, value, key, value ...
 * Stock tracepoints with a text of their own are told by name, the others by the form of the text.
 */
export function readFields(name: string, line: Line, from: number, pieces: Pieces): readonly string[] {
  // Looked at first: of all events few begin so, and the comparisons below would cost as much as a field.
  const first = name.charCodeAt(0);
  if (first === LETTER_K || first === LETTER_I) {
    const fields: string[] = [];
    switch (name) {
      case "kvm_hcall_enter":
        readHcall(line, from, fields, pieces);
        return fields;
      case "kvm_userspace_exit":
        readUserspaceExit(line, from, fields, pieces);
        return fields;
      case "kvm_s390_intercept_instruction":
        readIntercept(line, from, fields, pieces);
        return fields;
      case "irq_handler_entry":
        scanFields(line, from, "name", fields, pieces);
        return fields;
      case "ioctl_in":
      case "ioctl_out":
        scanFields(line, from, "data", fields, pieces);
        return fields;
    }
  }
  if (!mayBeHead(line.codeAt(from))) {
    pieces.clear();
    findFields(line, from, undefined, pieces);
    return pieces.of(line.text);
  }
  const fields: string[] = [];
  scanFields(line, readHead(line.text, from, fields), undefined, fields, pieces);
  return fields;
}

/** Appends the fields behind `from` to `fields`. */
function scanFields(line: Line, from: number, tail: string | undefined, fields: string[], pieces: Pieces): void {
  pieces.clear();
  findFields(line, from, tail, pieces);
  for (const piece of pieces.of(line.text)) fields.push(piece);
}

const S390_HEAD = /^(\d{2,5})\[([0-9a-f]{16})-([0-9a-f]{16})\]: /;

/** Whether a head of KVM's events may begin with the character: `VCPU`, or a number. */
function mayBeHead(first: number): boolean {
  return first === LETTER_V || (first >= 48 && first <= 57);
}

/**
 * Reads the head that the events of KVM have in common, and gives the offset behind it: `VCPU 0: ` of powerpc (b.7),
 * `00[0404c00180000000-00000000001a2b3c]: ` of s390 (b.6; vcpu, PSW mask and address).
 */
function readHead(text: string, from: number, fields: string[]): number {
  if (from >= text.length) return from;
  const first = text.charCodeAt(from);
  if (first === LETTER_V) {
    const colon = text.indexOf(": ", from);
    if (colon === -1 || !text.startsWith("VCPU ", from)) return from;
    fields.push("vcpu", text.slice(from + 5, colon));
    return colon + 2;
  }
  if (first < 48 || first > 57) return from;
  const match = S390_HEAD.exec(text.slice(from, from + 64));
  if (match === null) return from;
  const [head, vcpu = "", mask = "", address = ""] = match;
  fields.push("vcpu", vcpu, "mask", mask, "addr", address);
  return from + head.length;
}

const REGISTERS = "GPR4-7=";

/** `VCPU 0: hcall=H_SET_MODE GPR4-7=0x0,0x2,0x0,0x0`; the four registers become gpr4 to gpr7. */
function readHcall(line: Line, from: number, fields: string[], pieces: Pieces): void {
  const { text } = line;
  const body = readHead(text, from, fields);
  const registers = text.indexOf(REGISTERS, body);
  if (registers === -1) {
    scanFields(line, body, undefined, fields, pieces);
    return;
  }
  scanFields(new Line(text.slice(0, registers), line.bytes, line.start), body, undefined, fields, pieces);
  let p = registers + REGISTERS.length;
  for (let register = 4; register <= 7 && p < text.length; register++) {
    const comma = text.indexOf(",", p);
    const end = comma === -1 ? text.length : comma;
    fields.push(REGISTER_KEYS[register - 4] ?? "", text.slice(p, end).trimEnd());
    p = end + 1;
  }
}

const REGISTER_KEYS = ["gpr4", "gpr5", "gpr6", "gpr7"] as const;

/** `reason KVM_EXIT_PAPR_HCALL (19)`, `reason restart (4)`. */
function readUserspaceExit(line: Line, from: number, fields: string[], pieces: Pieces): void {
  const { text } = line;
  const match = /^reason (\S{1,64}) \((-?\d{1,10})\)/.exec(text.slice(from, from + 100));
  if (match === null) scanFields(line, from, undefined, fields, pieces);
  else fields.push("reason", match[1] ?? "", "number", match[2] ?? "");
}

/** `00[..-..]: intercepted instruction b2af000000000000 (0xb2af)`. */
function readIntercept(line: Line, from: number, fields: string[], pieces: Pieces): void {
  const { text } = line;
  const body = readHead(text, from, fields);
  const match = /intercepted instruction ([0-9a-f]{1,16}) \(([^)]{0,32})\)/.exec(text.slice(body, body + 100));
  if (match === null) scanFields(line, body, undefined, fields, pieces);
  else fields.push("instruction", match[1] ?? "", "name", match[2] ?? "");
}
