import { describe, expect, it } from "vitest";
import { judgeProbes, type Verdict } from "./judge.js";
import { words } from "./script.js";
import { FACTS, V2 } from "./verdicts.js";

/**
 * Recordings of probes alone: of SET_IRQS only the header's fields, no descriptors. The device was open before, so that each
 * begins with a disable of the MSI block (VMSI-3): from there on it is known.
 */

const set = (flags: number, start: number, count: number, rc = 0): readonly string[] => [
  `set_irqs: flags=0x${flags.toString(16)} index=2 start=${start} count=${count}`,
  `set_irqs_out: rc=${rc}`,
];
const disabled = set(0x21, 0, 0);
/** Two vectors with triggers that nobody knows. */
const enabled = [...disabled, ...set(0x24, 0, 2)];

const bytes = (hex: string): string => hex.replace(/..(?=.)/g, "$& ");
const irqInfo = (before: string, after: string): readonly string[] => [
  `ioctl_in: fd=5 cmd=0x3b6d data=${bytes(before)}`,
  `ioctl_out: cmd=0x3b6d rc=0 data=${bytes(after)}`,
];
const asked = words(72, 9, 2, 9) + "a5".repeat(56);
const answer = (message0: string, message1: string): string =>
  words(72, 0x11, 2, 64, 20, 0x00010003, 36, 1, 0, 0x00010004, 0, 2) + message0 + message1;

const verdicts = (...texts: readonly (readonly string[])[]): readonly Verdict["verdict"][] =>
  judgeProbes(texts.flat(), V2, FACTS).verdicts.map(({ verdict }) => verdict);
const last = (...texts: readonly (readonly string[])[]): string | undefined => verdicts(...texts).at(-1);

describe("SET_IRQS of the MSI block, its descriptors not recorded", () => {
  it("an enable leaves as many vectors as it asked for (VMSI-4, VMSI-9)", () => {
    expect(verdicts(enabled)).toEqual(["checked", "unchecked"]);
    expect(last(enabled, set(0x24, 2, 1))).toBe("divergent");
    expect(last(enabled, set(0x24, 2, 1, -22))).toBe("checked");
    expect(last(enabled, set(0x24, 1, 1))).toBe("unchecked");
  });

  it("a range of no vector needs none (VMSI-5)", () => {
    expect(last(enabled, set(0x24, 1, 0))).toBe("checked");
    expect(last(enabled, set(0x24, 1, 0, -22))).toBe("divergent");
  });

  it("any of the vectors may be armed (VIRQ-7)", () => {
    const armed = words(0x08090040, 0, 7);
    expect(last(enabled, irqInfo(asked, answer(armed, armed)))).toBe("checked");
    expect(last(disabled, set(0x24, 2, 0, -22), irqInfo(asked, answer(armed, armed)))).toBe("divergent");
  });

  it("after lost events nothing is known of it", () => {
    expect(last(enabled, ["CPU:0 [LOST 3 EVENTS]"], set(0x24, 2, 1))).toBe("unchecked");
  });
});
