import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Capture } from "../../src/capture/capture.js";
import { captureAsJsonLines, writeCapture } from "../../src/capture/ingest.js";
import { openCapture } from "../../src/capture/open.js";
import type { Event } from "../../src/event/event.js";
import { scratch } from "./files.js";

const make = scratch();

/** A capture in the recorders' own formats. */
const recorded = {
  "capture.json": JSON.stringify({ arch: "s390x", kernel: "6.1.0", colour: 1, facts: { ap: { mdevInstances: 5 } } }),
  "expected.json": '{"version":1}',
  "strace.txt":
    '2201  1711118461.150027 openat(AT_FDCWD</root>, "/x", O_WRONLY) = 3</x>\n' +
    '2201  1711118461.150061 write(3</x>, "5\\n", 2) = 2\n' +
    "what is this?\n" +
    "2201  1711118463.000000 close(3</x>) = 0\n",
  "trace.txt":
    " qemu-system-s39-4100    [003] ..... 1711118462.052326: apcb_set: kvm=0x814c0000 apm=0 aqm=0 adm=0\n" +
    " qemu-system-s39-4100    [002] ..... 1711118462.950054: pin_pages: iova=0x1000 npage=1 rc=1\n",
  "dbf.txt":
    "==> /sys/kernel/debug/s390dbf/kvm-4100/sprintf <==\n" +
    "00 01711118462:052338 3 - 0003 000003ff805a3c46  SET CRYCB: apm 0 0 0 0\n",
  "sysfs.txt": "/sys/bus/ap/ap_domain:4\n/sys/bus/ap/ap_interrupts:1\n",
};

async function opened(path: string): Promise<Capture> {
  const capture = await openCapture(path);
  if ("error" in capture) throw new Error(capture.error);
  return capture;
}

async function eventsOf(capture: Capture): Promise<Event[]> {
  const events: Event[] = [];
  for await (const batch of capture.events()) events.push(...batch);
  return events;
}

/** All that a check sees of a capture. */
async function seenOf(capture: Capture) {
  const events = await eventsOf(capture);
  const { manifest, manifestText, expected, environment, sources, diagnostics, diagnosticsLeftOut } = capture;
  return {
    manifest,
    manifestText,
    expected,
    environment,
    events,
    sources: sources.map(({ file, format, probes, counts }) => ({ file, format, probes, counts })),
    diagnostics,
    diagnosticsLeftOut,
  };
}

describe("a capture as a .kce file", () => {
  it("is seen as the capture itself is", async () => {
    const root = make(recorded);
    const file = join(make({}), "run.kce");
    expect(await writeCapture(await opened(root), file, "1.2.3")).toEqual([]);
    const before = await seenOf(await opened(root));
    expect(before.events.map(({ source, line }) => `${before.sources[source]?.file}:${line}`)).toEqual([
      "strace.txt:1",
      "strace.txt:2",
      "trace.txt:1",
      "dbf.txt:2",
      "trace.txt:2",
      "strace.txt:4",
    ]);
    expect(before.sources[1]?.probes).toContain("apcb_clear");
    expect(before.diagnostics.map(({ code }) => code)).toEqual(["unknown-key", "unparsed-line"]);
    const after = await seenOf(await opened(file));
    expect(after).toEqual(before);
  });

  it("tells damage, and what stands before it is there", async () => {
    const root = make(recorded);
    const file = join(make({}), "run.kce");
    await writeCapture(await opened(root), file, "1.2.3");
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.subarray(0, bytes.length - 100));
    const capture = await opened(file);
    expect(capture.environment).toHaveLength(2);
    expect((await eventsOf(capture)).length).toBeGreaterThan(3);
    expect(capture.diagnostics.map(({ code }) => code)).toContain("truncated-source");
    writeFileSync(file, bytes.subarray(0, 20));
    expect(await openCapture(file)).toMatchObject({ error: expect.stringContaining("ends") });
  });

  it("is not left behind half written", async () => {
    const root = make(recorded);
    const target = make({});
    const write = writeCapture(await opened(root), join(target, "run.kce"), "1", AbortSignal.abort());
    await expect(write).rejects.toThrow(/abort/i);
    expect(readdirSync(target)).toEqual([]);
  });
});

describe("a capture as JSON lines", () => {
  it("has the snapshot first, and is read back", async () => {
    const root = make(recorded);
    let text = "";
    for await (const piece of captureAsJsonLines(await opened(root))) text += piece;
    const lines = text.trimEnd().split("\n");
    expect(lines).toHaveLength(8);
    expect(lines.map((line) => JSON.parse(line).kind).slice(0, 3)).toEqual(["environment", "environment", "syscall"]);
    const capture = await opened(join(make({ "run.jsonl": text }), "run.jsonl"));
    expect(capture.environment.map(({ path }) => path)).toEqual(["/sys/bus/ap/ap_domain", "/sys/bus/ap/ap_interrupts"]);
    const before = await eventsOf(await opened(root));
    const after = await eventsOf(capture);
    expect(after).toEqual(before.map((event, index) => ({ ...event, source: 0, line: index + 3 })));
  });
});

describe("the environment of a capture", () => {
  it("takes lists of links along", async () => {
    const root = make({
      "strace.txt": recorded["strace.txt"],
      "sysfs.txt": "/sys/a:1\n",
      "links.txt": "/sys/devices/vfio_ap/matrix/u/iommu_group -> ../../../../kernel/iommu_groups/7\n",
      "sysfs-after.txt": "/sys/a:2\n/sys/b:3\n",
    });
    const capture = await opened(root);
    expect(capture.environment.map(({ path, source }) => [path, capture.sources[source]?.file])).toEqual([
      ["/sys/a", "sysfs.txt"],
      ["/sys/devices/vfio_ap/matrix/u/iommu_group", "links.txt"],
    ]);
    expect(capture.diagnostics.map(({ code, file }) => [code, file])).toEqual([["second-snapshot", "sysfs-after.txt"]]);
  });
});
