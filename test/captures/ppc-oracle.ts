/**
 * Says which rule of ppc-dawr allows a changed field of a recorded line: the answers of the spec's tables for the changed
 * arguments, and what no line shows. Written from the spec; it knows nothing of the model.
 */

/** One field of one line changed. */
export interface Change {
  readonly field: string;
  readonly line: number;
  readonly before: string;
  readonly after: string;
}

/** Where a change was made. */
export interface Place {
  readonly view: "hv" | "pr" | "guest";
  readonly host: "p8" | "p9" | "p10";
  readonly phase: string;
  /** Hcall 0x31C is enabled; undefined: it changes in this stretch. */
  readonly enabled: boolean | undefined;
  /** The VM was granted the second DAWR; undefined: it changes in this stretch. */
  readonly granted: boolean | undefined;
  /** The stretch as recorded, and with the change. */
  readonly lines: readonly string[];
  readonly changed: readonly string[];
  readonly line: number;
}

/** The rule that allows a change, or undefined: then it must be found. */
export function allowedBy(change: Change, place: Place): string | undefined {
  const text = place.changed[change.line] ?? "";
  switch (change.field) {
    case "hcall_rc":
      return hostAnswers(place, entryBefore(place)).has(change.after) ? "ND-5" : undefined;
    case "hcall":
    case "GPR4":
    case "GPR5":
    case "GPR6":
    case "GPR7":
      return hostAnswers(place, text).has(recordedCode(place)) ? hostRule(text) : undefined;
    case "PR op":
    case "PR gpr4":
    case "PR gpr5":
    case "PR gpr6":
    case "PR gpr7":
      return prAnswer(text) === prRecorded(place) ? "HSM-12" : undefined;
    case "sys_ioctl return":
      return returnRule(change, place);
    case "cap":
    case "cap flags":
    case "cap a0":
    case "cap a1":
      return capRule(text, place);
    case "register id":
    case "register value":
      return registerRule(text, place);
    case "retval":
      return retvalRule(change, place);
    case "slot":
      return slotRule(change, text, place);
    case "slot address":
      return isClear(place.lines[change.line] ?? "") || nextKeeps(place) ? undefined : "GUEST-2";
    case "slot DAWRX":
      return legalDawrx(text) && mayHold(place) ? "GUEST-2" : undefined;
    case "hset op":
      // The line is then one of another call, and the call has no line of its arguments.
      return "GUEST-12";
    case "hset flags":
    case "hset res":
    case "hset v1":
    case "hset v2":
      return hsetRule(text, place);
    default:
      return undefined;
  }
}

// --- H_SET_MODE in KVM-HV (HSM-1 to HSM-9, DABR-2 to DABR-5)

function after(place: Place, pattern: RegExp): string {
  for (let i = place.line; i < place.lines.length; i++) {
    const line = place.lines[i] ?? "";
    if (pattern.test(line)) return line;
  }
  return "";
}

function entryBefore(place: Place): string {
  for (let i = place.line; i >= 0; i--) {
    const line = place.lines[i] ?? "";
    if (line.includes("kvm_hcall_enter:")) return line;
  }
  return "";
}

function recordedCode(place: Place): string {
  return /hcall_rc=(\S+)/.exec(after(place, /kvm_hcall_exit:/))?.[1] ?? "";
}

function registers(text: string): readonly bigint[] {
  return (/GPR4-7=(\S+)/.exec(text)?.[1] ?? "").split(",").map(BigInt);
}

function hostRule(text: string): string {
  const resource = registers(text)[1];
  return { 1: "HSM-5", 2: "HSM-6", 3: "HSM-8", 5: "HSM-7" }[Number(resource)] ?? "HSM-9";
}

const PUNT = "H_TOO_HARD";
const FLAG = "H_UNSUPPORTED_FLAG_START";

/** The answers that a KVM-HV of 6.1 may give; several where an administrator may switch DAWR (ND-5). */
function hostAnswers(place: Place, text: string): ReadonlySet<string> {
  const name = /hcall=(\S+)/.exec(text)?.[1] ?? "";
  const args = registers(text);
  if (name === "H_SET_MODE" && place.enabled !== true) return new Set([PUNT]);
  const available = place.host === "p9" ? [true, false] : [true];
  return new Set(available.map((dawr) => hostAnswer(place, name, args, dawr)));
}

function hostAnswer(place: Place, name: string, args: readonly bigint[], dawr: boolean): string {
  const [mflags = 0n, resource = 0n, value1 = 0n, value2 = 0n] = args;
  switch (name) {
    case "H_SET_XDABR":
      if ((resource & 3n) === 0n || (resource & ~0xbn) !== 0n) return "H_PARAMETER";
      return dawr ? "H_SUCCESS" : "H_HARDWARE";
    case "H_SET_DABR":
      return dawr ? "H_SUCCESS" : "H_HARDWARE";
    case "H_SET_MODE":
      break;
    default:
      return PUNT;
  }
  if (resource === 1n) {
    if (value2 !== 0n) return "H_P4";
    if (mflags !== 0n) return FLAG;
    return (value1 & 3n) === 3n ? "H_P3" : "H_SUCCESS";
  }
  if (resource !== 2n && resource !== 5n) return PUNT;
  if (!dawr) return "H_P2";
  if (resource === 5n && place.host !== "p10") return "H_P2";
  if (resource === 5n && place.granted !== true) return "H_FUNCTION";
  if (mflags !== 0n) return FLAG;
  return (value2 & 4n) === 4n ? "H_P4" : "H_SUCCESS";
}

// --- KVM-PR (HSM-12, DABR-10)

function prAnswer(text: string): string {
  const op = /op=(\S+)/.exec(text)?.[1];
  const resource = BigInt(/gpr5=(\S+)/.exec(text)?.[1] ?? "0x0");
  return op === "0x31c" && resource === 3n ? "0" : "2";
}

function prRecorded(place: Place): string {
  return /rc=(\d)/.exec(after(place, /r_kvmppc_h_pr:/))?.[1] ?? "";
}

// --- ioctls

const EINVAL = "EINVAL";
const errnos: Readonly<Record<string, string>> = {
  "0x16": EINVAL,
  "0xffffffffffffffea": EINVAL,
  "0xe": "EFAULT",
  "0xfffffffffffffff2": "EFAULT",
  "0x13": "ENODEV",
  "0xffffffffffffffed": "ENODEV",
  "0x1": "EPERM",
  "0x0": "0",
};

/** The call that the changed return belongs to: its command and argument, and whether one of its probes was at work. */
function callOf(place: Place): { readonly command: string; readonly argument: string; readonly probe: string } {
  let probe = "";
  for (let i = place.line - 1; i >= 0; i--) {
    const line = place.lines[i] ?? "";
    const call = /sys_ioctl\(fd: \S+, cmd: (?:f{8})?(\w+), arg: (\w+)\)/.exec(line);
    if (call !== null) return { command: call[1] ?? "", argument: call[2] ?? "", probe };
    if (/(?:enable_cap|one_reg): /.test(line)) probe = line;
  }
  return { command: "", argument: "", probe };
}

function recordedReturn(place: Place): string {
  const line = after(place, /sys_ioctl -> /);
  return /-> (\S+)/.exec(line)?.[1] ?? "";
}

function returnRule(change: Change, place: Place): string | undefined {
  const { command, argument, probe } = callOf(place);
  const result = errnos[change.after] ?? change.after;
  const recorded = errnos[change.before] ?? change.before;
  switch (command) {
    case "8068aea3":
      // The line of the capability may be of other registers than the rules'; memory that can't be read is not to be seen.
      if (result === recorded) return "FMT-2";
      return result === "EFAULT" && recorded !== "EFAULT" ? "CAP-3" : undefined;
    case "8010aeab":
    case "8010aeac": {
      if (result === recorded) return "FMT-2";
      if (result === "EFAULT" && recorded !== "EFAULT") return "REG-2";
      const kind = idKind(/id=(0x[0-9a-f]+)/.exec(probe)?.[1] ?? "");
      if (kind !== "other") return undefined;
      return badAddress(probe) && command === "8010aeac" ? undefined : "2.5: no register of the rules";
    }
    case "2000ae03":
      return capabilityRule(argument, change);
    case "2000ae01":
      // Any small number may be a descriptor (FMT-2); a failure that the type does not have must be found.
      if (change.after.length > 6 || change.before.length > 6) return result === recorded ? "FMT-2" : undefined;
      return recorded === EINVAL && place.view !== "pr" ? undefined : "FMT-2";
    case "2000ae80":
      return undefined;
    default:
      return "no rule: a request that the spec does not speak of";
  }
}

const ruledCapabilities: ReadonlySet<number> = new Set([68, 98, 104, 105, 160, 187, 191, 194]);

function capabilityRule(argument: string, change: Change): string | undefined {
  const number = Number.parseInt(argument, 16);
  if (change.after.length > 6 || ruledCapabilities.has(number) || number >= 4096) return undefined;
  return number === 210 ? "CAP-8" : "CAP-13";
}

/** The result of KVM_ENABLE_CAP (CAP-3, CAP-5, CAP-6, CAP-12, CAP-13); undefined: no rule says it. */
function capResult(text: string, place: Place): string | undefined {
  const cap = Number(/cap=(\d+)/.exec(text)?.[1]);
  const flags = Number(/flags=(\d+)/.exec(text)?.[1]);
  const onVcpu = text.includes("vcpu_enable_cap:");
  if (flags !== 0) return EINVAL;
  if (cap === 68) return onVcpu ? "0" : EINVAL;
  if (cap === 104 && onVcpu) return undefined;
  if (cap === 104) {
    const a0 = BigInt(/a0=(\S+)/.exec(text)?.[1] ?? "0");
    const a1 = BigInt(/a1=(\S+)/.exec(text)?.[1] ?? "0");
    const hcalls = place.view === "pr" ? [0x31cn] : [0x4n, 0x28n, 0x134n, 0x31cn, 0xe0n, 0x300n];
    return hcalls.includes(a0) && a1 <= 1n ? "0" : EINVAL;
  }
  if (cap !== 194 || onVcpu || place.view === "pr") return EINVAL;
  return place.host === "p10" ? "0" : "ENODEV";
}

function capRule(text: string, place: Place): string | undefined {
  const recorded = errnos[recordedReturn(place)];
  // probes.md: memory that could not be read shows other bytes.
  if (recorded === "EFAULT") return "probes.md: unreadable memory";
  const result = capResult(text, place);
  if (result === undefined) return "no rule: KVM_CAP_PPC_ENABLE_HCALL on a vCPU";
  if (result !== recorded) return undefined;
  const failed = result !== "0";
  return failed || !effectSeen(place) || /cap=194/.test(text) === /cap=194/.test(place.lines[place.line] ?? "")
    ? sameEffect(text, place)
    : undefined;
}

/** Whether an answer of the kernel that depends on the capability follows in the same VM. */
function effectSeen(place: Place): boolean {
  for (let i = place.line; i < place.changed.length; i++) {
    const line = place.changed[i] ?? "";
    if (line.includes("cmd: 2000ae01")) return false;
    if (/hcall_rc=H_(?!TOO_HARD)/.test(line) || /r_kvmppc_h_pr: .* rc=0$/.test(line)) return true;
  }
  return false;
}

/** A capability that did something does the same after the change, or nothing behind it shows the difference. */
function sameEffect(text: string, place: Place): string | undefined {
  const before = place.lines[place.line] ?? "";
  const isHcall = /cap=104/.test(before) && errnos[recordedReturn(place)] === "0";
  if (!isHcall) return "CAP-3";
  const pair = (line: string): string => `${/a0=(\S+)/.exec(line)?.[1]} ${/a1=(\S+)/.exec(line)?.[1]}`;
  return pair(before) === pair(text) || !effectSeen(place) || place.enabled === undefined ? "CAP-6" : undefined;
}

// --- one-regs (REG-1 to REG-14)

const sizes: Readonly<Record<string, string>> = {
  "8": "3",
  aa: "3",
  ab: "3",
  ac: "3",
  b7: "2",
  b8: "2",
  c4: "3",
  c5: "3",
};

function idKind(id: string): "register" | "lpcr" | "wrong" | "large" | "other" {
  const digits = id.slice(2).padStart(16, "0");
  if (Number.parseInt(digits[2] ?? "0", 16) > 4) return "large";
  if (!digits.startsWith("10")) return "wrong";
  const index = digits.slice(3).replace(/^0+/, "");
  const size = digits[2];
  if (index === "b5") return size === "2" || size === "3" ? "lpcr" : "wrong";
  const known = sizes[index];
  if (known === undefined) return "other";
  return known === size ? "register" : "wrong";
}

function badAddress(text: string): boolean {
  return /addr=0x(?:0|[c-f][0-9a-f]{15}) /.test(text);
}

const compat: ReadonlySet<string> = new Set(["0xf000002", "0xf000003", "0xf100003", "0xf000004", "0xf000005", "0x0"]);

function registerRule(text: string, place: Place): string | undefined {
  const id = /id=(0x[0-9a-f]+)/.exec(text)?.[1] ?? "";
  const value = /val=(0x[0-9a-f]+)/.exec(text)?.[1] ?? "";
  const isSet = text.includes("cmd=0x8010aeac");
  const kind = idKind(id);
  const recorded = errnos[recordedReturn(place)];
  if (kind === "other") return "2.5: no register of the rules";
  let result = "0";
  const unknown = kind === "wrong" || (place.view === "pr" && kind === "register");
  if (kind === "large") result = EINVAL;
  else if (isSet && badAddress(text)) result = "EFAULT";
  else if (unknown) result = EINVAL;
  else if (badAddress(text)) result = "EFAULT";
  else if (isSet && id === "0x10200000000000b7") {
    const low = `0x${(BigInt(value) & 0xffffffffn).toString(16)}`;
    result = compat.has(low) || (low === "0xf000006" && place.host === "p10") ? "0" : EINVAL;
  }
  // EFAULT also where the descriptor itself can't be read; what a register holds is read back in no line (FMT-6).
  return result === recorded || recorded === "EFAULT" ? "REG-4" : undefined;
}

// --- the guest's side (HSM-11 under TCG, GUEST-2 to GUEST-5)

function guestArguments(text: string): readonly bigint[] {
  return ["flags", "res", "v1", "v2"].map((key) => BigInt(new RegExp(`${key}=(0x[0-9a-f]+)`).exec(text)?.[1] ?? "0x0"));
}

/** Answers of qemu-dawr1 under TCG; resource 3 with mflags 3 depends on a capability of the machine. */
function qemuAnswers(args: readonly bigint[]): ReadonlySet<string> {
  const [mflags = 0n, resource = 0n, value1 = 0n, value2 = 0n] = args;
  const one = (answer: string): ReadonlySet<string> => new Set([answer]);
  switch (resource) {
    case 1n:
      if (mflags !== 0n) return one("-256");
      if (value2 !== 0n) return one("-57");
      return one((value1 & 3n) === 3n ? "-56" : "0");
    case 2n:
    case 5n:
      if (mflags !== 0n) return one("-256");
      return one((value2 & 4n) === 4n ? "-57" : "0");
    case 3n:
      if (value1 !== 0n) return one("-56");
      if (value2 !== 0n) return one("-57");
      if (mflags === 3n) return new Set(["0", "-256"]);
      return one(mflags === 0n ? "0" : "-256");
    case 4n:
      if (value1 !== 0n) return one("-56");
      if (value2 !== 0n) return one("-57");
      return one(mflags <= 1n ? "0" : "-256");
    default:
      return one("-55");
  }
}

function hsetRule(text: string, place: Place): string | undefined {
  const recorded = /retval=(\S+)/.exec(after(place, /hcall_exit: opcode=796/))?.[1] ?? "";
  return place.view === "guest" && qemuAnswers(guestArguments(text)).has(recorded) ? "HSM-11" : undefined;
}

function retvalRule(change: Change, place: Place): string | undefined {
  const internal = change.after === "9999" || change.after === "-69";
  if (place.view !== "guest") return internal ? undefined : "ND-3";
  for (let i = place.line; i >= place.line - 3; i--) {
    const line = place.lines[i] ?? "";
    if (line.includes(" hset: ")) return qemuAnswers(guestArguments(line)).has(change.after) ? "HSM-11" : undefined;
  }
  return undefined;
}

function isClear(text: string): boolean {
  return / b=0x0 c=0xfc00$/.test(text.trimEnd());
}

function legalDawrx(text: string): boolean {
  const value = Number.parseInt(/ c=0x([0-9a-f]+)/.exec(text)?.[1] ?? "0", 16);
  return (value & ~0xfc77) === 0 && (value & 0x10) !== 0 && (value & 0x60) !== 0;
}

/** Calls for a slot from a line on, in order: `clear` or the value. */
function callsFrom(place: Place, from: number, slot: string): readonly string[] {
  const calls: string[] = [];
  for (let i = from; i < place.changed.length && i < place.line + 60; i++) {
    const match = / a=(0x\d) b=(\S+) c=(\S+)/.exec(place.lines[i] ?? "");
    if (match !== null && match[1] === slot) calls.push(match[3] === "0xfc00" ? "clear" : `${match[2]} ${match[3]}`);
  }
  return calls;
}

/** The last call for a slot before the changed line. */
function callsBefore(place: Place, slot: string): string | undefined {
  for (let i = place.line - 1; i >= 0; i--) {
    const match = / a=(0x\d) b=(\S+) c=(\S+)/.exec(place.lines[i] ?? "");
    if (match !== null && match[1] === slot) return match[3] === "0xfc00" ? "clear" : `${match[2]} ${match[3]}`;
  }
  return undefined;
}

/** Whether the slot may get another value: it holds none, or nothing behind says that it keeps the recorded one. */
function mayHold(place: Place): boolean {
  const line = place.lines[place.line] ?? "";
  if (!isClear(line)) return !nextKeeps(place);
  const before = callsBefore(place, / a=(0x\d)/.exec(line)?.[1] ?? "");
  return before === "clear" || before === undefined;
}

/** Whether the slot's next call is the same value without a clear between: then another value here is a contradiction. */
function nextKeeps(place: Place): boolean {
  const line = place.lines[place.line] ?? "";
  const slot = / a=(0x\d)/.exec(line)?.[1] ?? "";
  const [own, next] = callsFrom(place, place.line, slot);
  return own !== undefined && own === next;
}

function slotRule(change: Change, text: string, place: Place): string | undefined {
  if (place.host !== "p10" || change.after === "0x2") return undefined;
  return slotUnseen(change, text, place);
}

/** A call that goes to the other slot is legal for a slot of which nothing later says what it held. */
function slotUnseen(change: Change, text: string, place: Place): string | undefined {
  const [nextOwn] = callsFrom(place, place.line + 1, change.before);
  const [nextOther] = callsFrom(place, place.line + 1, change.after);
  if (isClear(text)) {
    // INV-16: the value that it still holds may be programmed again.
    const before = callsBefore(place, change.before);
    return nextOwn === "clear" || nextOwn === undefined || nextOwn === before ? "INV-16" : undefined;
  }
  return nextOther === "clear" || nextOther === undefined ? "GUEST-4" : undefined;
}
