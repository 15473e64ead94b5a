import { addressText } from "../../event/address-text.js";
import { isZero, sameWord, type Word, wordOf } from "../../event/word.js";
import type { GuestHcall } from "../../operation/dawr/call.js";
import { H_ENTER_NESTED, H_SET_DABR, H_SET_MODE, H_SET_XDABR } from "../../operation/dawr/numbers.js";
import type { Trial } from "../core/trial.js";
import {
  ailOff,
  ailOn,
  bigEndian,
  type GuestPlace,
  isLinux,
  linuxDabr,
  linuxSetMode,
  programs,
  repeated,
} from "./guest-order.js";
import { GUEST_2, GUEST_8, GUEST_11, GUEST_12, GUEST_15, ND_3 } from "./guest-rules.js";
import { ND_8 } from "./host-hcall.js";
import { INV_8 } from "./invariants.js";
import { mayBeTrap, NEST_16 } from "./nested.js";
import { plainName } from "./result-name.js";
import { type DawrState, OWN_KERNEL, plain, tri } from "./state.js";
import { type Answer, answersOf, columnsOf, DABR_9, dabrAnswers, HSM_11, ND_2, narrowed } from "./vmm.js";
import { forgetSlots, watchpoint } from "./watchpoints.js";
import { equals, withoutHyp } from "./words.js";

/** An hcall as the guest sees it: its arguments and order (GUEST rules), and its answer as far as the hypervisor is known. */
export function guestHcall(x: Trial, s: DawrState, call: GuestHcall): void {
  if (unpaired(x, call)) return;
  if (call.caller !== "direct") emitted(x, s, call);
  else direct(x, s, call);
  if (x.failed) return;
  judge(x, s, call);
}

/** GUEST-12, ND-8. True if nothing more can be said. */
function unpaired(x: Trial, call: GuestHcall): boolean {
  // Where one of the two tracepoints was off, no line has its other half.
  if (call.pairing === "no-exit" && isModelled(call.number) && x.observability.sees("hcall_exit")) {
    x.differs("an hcall_exit after the hcall_entry", "the next hcall_entry of the CPU", GUEST_12, ND_8);
    return true;
  }
  if (call.pairing === "no-entry" && isModelled(call.exitNumber) && x.observability.sees("hcall_entry")) {
    x.differs("an hcall_entry before the hcall_exit", "an exit alone", GUEST_12, ND_8);
    return true;
  }
  const { number, exitNumber } = call;
  if (number !== undefined && exitNumber !== undefined && number !== exitNumber) {
    x.differs(`an exit of hcall ${number}`, `an exit of hcall ${exitNumber}`, GUEST_12);
    return true;
  }
  return false;
}

function isModelled(number: number | undefined): boolean {
  return number === H_SET_MODE || number === H_SET_DABR || number === H_SET_XDABR;
}

const zero = wordOf(0, 0);
const three = wordOf(0, 3);
const slotResources: readonly Word[] = [wordOf(0, 2), wordOf(0, 5)];
const plainCalls = {
  off: [zero, three, zero, zero],
  on: [three, three, zero, zero],
  bigEndian: [zero, wordOf(0, 4), zero, zero],
  unknown: [],
} as const satisfies Readonly<Record<string, readonly Word[]>>;

/** The call that a function of the guest's kernel makes, as probes before it show (GUEST-2, GUEST-7, GUEST-8). */
function emitted(x: Trial, s: DawrState, call: GuestHcall): void {
  switch (call.caller) {
    case "watchpoint": {
      const asked = call.watchpoint;
      if (asked === undefined) return;
      if (!passedOn(x, call)) return;
      const { address, dawrx, slot } = asked;
      programs(x, s, ownPlace(s, call), slot, isZero(address) && sameWord(dawrx, cleared));
      if (!x.failed) watchpoint(x, s, s.cpu(call.cpu), asked);
      return;
    }
    case "disable-reloc":
      if (passedOn(x, call)) reloc(x, s, call, "off");
      return;
    case "enable-reloc":
      if (passedOn(x, call)) reloc(x, s, call, "on");
      return;
    case "big-endian":
      if (passedOn(x, call)) bigEndian(x, s, ownPlace(s, call));
      return;
    case "direct":
      return;
  }
}

/** DAWRX of a cleared slot (GUEST-3). */
const cleared = wordOf(0, 0xfc00);

/** A call that no probe of its caller announces. Any program of the kernel may make it, unless a fact says otherwise. */
function direct(x: Trial, s: DawrState, call: GuestHcall): void {
  const { number, args } = call;
  const place = ownPlace(s, call);
  // GUEST-6: xmon comes and goes with a call for CIABR, and puts watchpoints of its own into the slots.
  if (number === H_SET_MODE && (args?.[1] === undefined || equals(args[1], 1))) forgetSlots(s, place.cpu);
  if (number === H_SET_MODE) {
    if (args !== undefined && isLinux(s)) linuxSetMode(x, s, place, args);
    else repeated(x, s, place.kernel);
  } else if (args !== undefined && isLinux(s) && (number === H_SET_DABR || number === H_SET_XDABR)) {
    linuxDabr(x, s, place, number === H_SET_XDABR, args);
  }
}

function ownPlace(s: DawrState, call: GuestHcall): GuestPlace {
  const event = call.callerEvent ?? call.argsEvent;
  return { vm: OWN_KERNEL, kernel: s.kernel(OWN_KERNEL), cpu: s.cpu(call.cpu), event, arch207s: tri(s.host.arch207s) };
}

/** Whether the hcall has the arguments that the function before it gives. */
function passedOn(x: Trial, call: GuestHcall): boolean {
  const { args } = call;
  if (args === undefined) return true;
  const wanted = wantedArgs(call);
  const fits = wanted.every((word, i) => {
    const given = args[i];
    return given === undefined || sameWord(given, word);
  });
  if (fits) return true;
  x.differsAt(
    call.argsEvent,
    `(${texts(wanted)})`,
    `(${texts(args)})`,
    call.caller === "watchpoint" ? GUEST_2 : GUEST_8,
  );
  return false;
}

function texts(words: readonly Word[]): string {
  return words.map(addressText).join(",");
}

const relocProbes = ["pseries_disable_reloc_on_exc", "pseries_enable_reloc_on_exc"] as const;

/** GUEST-8: AIL goes off with the first PR VM and on with the last. kexec switches it off too (GUEST-7). */
function reloc(x: Trial, s: DawrState, call: GuestHcall, to: "on" | "off"): void {
  const { host, journal } = s;
  journal.set(host, "announced", true);
  if (to === "off" && call.inCreate) journal.set(host, "disabledInCreate", x.operation.tid);
  if (host.prModule !== false && !relocProbes.every((probe) => x.observability.sees(probe))) {
    // Of two calls in a row one of the other kind may lie between.
    journal.set(host, "prAil", to);
    x.by(GUEST_8);
    return;
  }
  if (to === "off" && call.inCreate) {
    if (host.prAil === "off") {
      x.differsAt(call.callerEvent, "no hcall for a second PR VM beside the first", "(0,3,0,0)", GUEST_8);
      return;
    }
  }
  if (to === "on" && host.prAil === "on") {
    x.differsAt(call.callerEvent, "no hcall: AIL is on already", "(3,3,0,0)", GUEST_8);
    return;
  }
  journal.set(host, "prAil", to);
  const place = ownPlace(s, call);
  if (to === "on") ailOn(x, s, place);
  else ailOff(x, s, place, !call.inCreate && host.prModule === false);
}

/** The answer. */
function judge(x: Trial, s: DawrState, call: GuestHcall): void {
  const { result } = x.operation;
  if (result.kind === "unknown") {
    x.cannotCheck(`result unknown: ${result.reason}`);
    return;
  }
  const name = plainName(result);
  if (name === "H_TOO_HARD" || name === "H_INTERRUPT") {
    x.differs("a code that a guest can get", name, INV_8);
    return;
  }
  const { number } = call;
  const tcg = s.host.hypervisor === "qemu-tcg";
  if (!tcg || number === undefined) {
    x.agrees(...(call.caller === "watchpoint" ? [ND_3, GUEST_11] : [ND_3, INV_8]));
    return;
  }
  if (number === H_SET_MODE) setModeOfQemu(x, s, call, name);
  else if (number === H_SET_DABR || number === H_SET_XDABR) {
    const answers = dabrAnswers(s.host, number === H_SET_XDABR, call.args);
    if (answers.has(name)) x.agrees(DABR_9, GUEST_15);
    else x.differs([...answers].join(" or "), name, DABR_9);
  } else if (number === H_ENTER_NESTED) nestedOfQemu(x, name);
  else x.agrees(INV_8);
}

const nestedAnswers: ReadonlySet<string> = new Set(["H_FUNCTION", "H_NOT_AVAILABLE", "H_PARAMETER", "H_P2"]);

function nestedOfQemu(x: Trial, name: string): void {
  const value = name === "H_SUCCESS" ? 0 : Number(name);
  if (nestedAnswers.has(name) || mayBeTrap(value)) x.agrees(NEST_16);
  else x.differs("a trap number, H_FUNCTION, H_NOT_AVAILABLE, H_PARAMETER or H_P2", name, NEST_16);
}

/** HSM-11 without KVM: the generations that give this answer are left. */
function setModeOfQemu(x: Trial, s: DawrState, call: GuestHcall, name: string): void {
  const { host, journal } = s;
  const columns = columnsOf(host.vmm);
  if (columns === undefined) {
    x.agrees(ND_3);
    return;
  }
  const args = call.args ?? wantedArgs(call);
  const machine = {
    tcg: true,
    arch207s: plain(host.arch207s),
    arch31: plain(host.arch31),
    ailCapability: plain(host.ailCapability),
  };
  const [only, another] = columns;
  if (only !== undefined && another === undefined && answersOf(only, machine, args).has(asAnswer(name))) {
    x.agrees(HSM_11);
    learnAil(s, args, name, only !== "qemu-old" && only !== "qemu-p10");
    return;
  }
  const answers = columns.map((column) => answersOf(column, machine, args));
  const left = columns.filter((_, i) => answers[i]?.has(asAnswer(name)) === true);
  if (left.length === 0) {
    const expected = new Set<Answer>();
    for (const set of answers) for (const answer of set) expected.add(answer);
    x.differs([...expected].join(" or "), name, HSM_11);
    return;
  }
  x.agrees(...(columns.length > 1 ? [HSM_11, ND_2] : [HSM_11]));
  if (left.length < columns.length) journal.set(host, "vmm", narrowed(left));
  learnAil(
    s,
    args,
    name,
    left.every((column) => column !== "qemu-old" && column !== "qemu-p10"),
  );
}

/** Resource 3 with mflags 3: whether the machine has the capability ail-mode-3. */
function learnAil(s: DawrState, args: readonly Word[], name: string, judged: boolean): void {
  const [mflags, resource, value1, value2] = args;
  if (!judged || mflags?.lo !== 3 || mflags.hi !== 0 || resource?.lo !== 3 || resource.hi !== 0) return;
  if (value1 === undefined || value2 === undefined || !isZero(value1) || !isZero(value2)) return;
  s.journal.set(s.host, "ailCapability", name === "H_SUCCESS");
}

/** The arguments that the function before the hcall gives, where those of the hcall were not recorded. */
function wantedArgs(call: GuestHcall): readonly Word[] {
  const { watchpoint: asked } = call;
  switch (call.caller) {
    case "watchpoint": {
      if (asked === undefined) return plainCalls.unknown;
      const resource = slotResources[asked.slot === 0 ? 0 : 1] ?? zero;
      return [zero, resource, asked.address, withoutHyp(asked.dawrx)];
    }
    case "disable-reloc":
      return plainCalls.off;
    case "enable-reloc":
      return plainCalls.on;
    case "big-endian":
      return plainCalls.bigEndian;
    case "direct":
      return plainCalls.unknown;
  }
}

function asAnswer(name: string): Answer {
  switch (name) {
    case "H_SUCCESS":
    case "H_P2":
    case "H_P3":
    case "H_P4":
    case "H_UNSUPPORTED_FLAG_START":
      return name;
    default:
      return "abort";
  }
}
