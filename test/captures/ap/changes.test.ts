import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { resultChanges } from "./changes/calls.js";
import { applied, before, type Change, sample } from "./changes/change.js";
import { probeChanges } from "./changes/probes.js";
import { check, load, type Recording } from "./changes/recording.js";
import { textChanges } from "./changes/texts.js";

/** One recorded thing changed to another that looks as legal, many times: each change is found, or a rule allows it. */
const folder = join(import.meta.dirname, "../../../traces/ap");

const names = [
  "linux-6.1/01-lifecycle",
  "linux-6.1/04-sharing",
  "linux-6.1/09-hotplug",
  "linux-6.1/10-unbind-rebind",
  "linux-6.1/11-host-config",
  "linux-6.1/15-aqic-bad-nib",
  "linux-6.1/16-pqap-checks",
  "linux-6.1/20-device-reset",
  "aqic-v9/06-mask-strings",
  "aqic-v9/18-aqic-hw-errors",
  "aqic-v9/20-device-reset",
  "dynamic-v12/09-hotplug",
  "dynamic-v12/19-disable-paths",
];

/** Changes of each capture that are tried. */
const TRIED = 60;

/** What need not be found, and the rule that leaves it open. The figures in a line of the hardware are inputs (NOND-8). */
const allowed: readonly { readonly kind: RegExp; readonly because: string }[] = [
  { kind: /^pqap_exit: cc (to 3|another)$/, because: "PQAP-11: a success keeps the condition code of before" },
  { kind: /^pqap_exit: (missing|twice)$/, because: "no kernel does that: the recorder has, and the rest is judged" },
  {
    kind: /^hw_(aqic|tapq|zapq): status (rc|E|I) ?/,
    because: "IRQ-7, IRQ-8, RST-1, RST-3: codes and flags that lead on alike",
  },
  { kind: /^hw_(aqic|tapq|zapq): (missing|twice)$/, because: "IRQ-7, IRQ-8, RST-2: one more or less of the same try" },
  { kind: /^hw_aqic: gr1 GISA origin changed$/, because: "GISC-5: the first control word of a guest shows its origin" },
  { kind: /^hw_tapq: after the queue_probe/, because: "vfio-ap-aqic 5.3: a bracket has no place among the effects" },
  {
    kind: /: after the (mdev_set_kvm|mdev_unset_kvm|queue_probe|queue_remove|cfg_changed|scan_complete) /,
    because: "5.3",
  },
  { kind: /^(mdev_(un)?set_kvm|queue_(probe|remove)|cfg_changed|scan_complete): after the /, because: "5.3" },
  { kind: /^VFIO_DEVICE_GET_INFO: /, because: "IOC-1, IOC-2: the structure is behind a pointer" },
  {
    kind: /^GET_DEVICE_FD: success to (EINVAL|ENODEV|EBUSY)$/,
    because: "KVM-15: the open fails after the notification",
  },
  { kind: /^write (un)?assign_\w+: \w+ to EBUSY$/, because: "NOND-1: the posted code tries the lock" },
];

function changesOf(recording: Recording): readonly Change[] {
  const all = [...probeChanges(recording), ...resultChanges(recording), ...textChanges(recording)];
  return sample(all, TRIED, 61);
}

test("SCAN-4: a scan that does not end is found, except the last one", async () => {
  const recording = load(folder, "linux-6.1/11-host-config");
  const ends = probeChanges(recording).filter(({ kind }) => kind === "scan_complete: missing");
  const verdicts = await Promise.all(ends.map(async (change) => (await check(applied(recording, change))).verdict));
  expect(verdicts).toEqual(ends.map((_, i) => (i === ends.length - 1 ? "conform" : "divergent")));
});

describe("a change of one recorded thing", () => {
  let tried = 0;
  let found = 0;

  test.each(names)("%s: is found, or a rule allows it", async (name) => {
    const recording = load(folder, name);
    const missed: string[] = [];
    for (const change of changesOf(recording)) {
      tried++;
      const { divergences } = await check(applied(recording, change));
      if (divergences.length > 0) found++;
      else if (!allowed.some(({ kind }) => kind.test(change.kind))) {
        missed.push(`${change.kind}: ${change.file}:${change.at + 1} ${before(recording, change).join(" | ")}`);
      }
    }
    expect(missed).toEqual([]);
  });

  test("most changes are found", () => {
    console.info(`changes of one recorded thing: ${found} of ${tried} found`);
    expect(found / tried).toBeGreaterThan(0.9);
  });
});
