import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { EnvironmentEvent } from "../../../src/event/event.js";
import { sysfsImporter } from "../../../src/ingest/sysfs/importer.js";
import { headOf, onlyEvent, readSample, runImporter } from "../run-importer.js";

const run = (text: string) => runImporter(sysfsImporter, text);

const environment = (text: string): readonly EnvironmentEvent[] =>
  run(text).events.flatMap((event) => (event.kind === "environment" ? [event] : []));

const PCI = "/sys/devices/pci0000:00/0000:00:05.0";

describe("path and value (g)", () => {
  const lines: readonly (readonly [line: string, path: string, value: string])[] = [
    ["/sys/bus/ap/ap_domain:4", "/sys/bus/ap/ap_domain", "4"],
    ["/sys/bus/ap/ap_domain:", "/sys/bus/ap/ap_domain", ""],
    ["/sys/bus/ap/devices/04.0004/driver:cex4queue", "/sys/bus/ap/devices/04.0004/driver", "cex4queue"],
    // Values with colons and slashes.
    ["/sys/devices/ap/card04/modalias:ap:t0D", "/sys/devices/ap/card04/modalias", "ap:t0D"],
    ["/sys/bus/ap/bindings:12/12 (complete)", "/sys/bus/ap/bindings", "12/12 (complete)"],
    ["/sys/bus/ap/bindings:6/8", "/sys/bus/ap/bindings", "6/8"],
    ["/sys/bus/ap/bindings:6/8 (a: b)", "/sys/bus/ap/bindings", "6/8 (a: b)"],
    [
      "/sys/bus/mdev/devices/3702f564/iommu_group:../../../../kernel/iommu_groups/0",
      "/sys/bus/mdev/devices/3702f564/iommu_group",
      "../../../../kernel/iommu_groups/0",
    ],
    ["/sys/bus/x/iommu_group:/sys/kernel/iommu_groups/0", "/sys/bus/x/iommu_group", "/sys/kernel/iommu_groups/0"],
    ["/proc/cpuinfo:facilities      : 0 1 2", "/proc/cpuinfo", "facilities      : 0 1 2"],
    ["/proc/version:Linux version 6.1.0 (a@b/c) #1", "/proc/version", "Linux version 6.1.0 (a@b/c) #1"],
    ["/sys/class/net/lo/address:00:00:00:00:00:00", "/sys/class/net/lo/address", "00:00:00:00:00:00"],
    ["/sys/class/net/lo/uevent:INTERFACE=lo", "/sys/class/net/lo/uevent", "INTERFACE=lo"],
    ["/sys/x/uevent:DEVNAME=bus/usb/001", "/sys/x/uevent", "DEVNAME=bus/usb/001"],
    ["/sys/x/uevent:OF_FULLNAME=/soc/dma@1", "/sys/x/uevent", "OF_FULLNAME=/soc/dma@1"],
    // Directories with colons.
    [`${PCI}/vendor:0x8086`, `${PCI}/vendor`, "0x8086"],
    [`${PCI}/uevent:PCI_SLOT_NAME=0000:00:05.0`, `${PCI}/uevent`, "PCI_SLOT_NAME=0000:00:05.0"],
    [`${PCI}/modalias:pci:v00008086d0000100Esv0`, `${PCI}/modalias`, "pci:v00008086d0000100Esv0"],
    ["/sys/bus/scsi/devices/0:0:0:0/vendor:QEMU", "/sys/bus/scsi/devices/0:0:0:0/vendor", "QEMU"],
    ["/sys/devices/platform/1e780000.gpio:led/uevent:A=b", "/sys/devices/platform/1e780000.gpio:led/uevent", "A=b"],
    ["/sys/bus/mdio/devices/stmmac-0:01/phy_id:0x1", "/sys/bus/mdio/devices/stmmac-0:01/phy_id", "0x1"],
    // grep -Z: NUL separates, also behind a directory with a colon; a NUL behind a colon belongs to the value.
    ["/sys/bus/ap/ap_domain\x004", "/sys/bus/ap/ap_domain", "4"],
    [`${PCI}/vendor\0${"0x8086"}`, `${PCI}/vendor`, "0x8086"],
    ["/sys/class/net/lo/address\x0000:00:00:00:00:00", "/sys/class/net/lo/address", "00:00:00:00:00:00"],
    ["/sys/x/of_node/compatible:a,b\0c,d", "/sys/x/of_node/compatible", "a,b\0c,d"],
    // Links, as find prints them.
    ["/sys/bus/ap/devices/04.0004/driver -> ../../../bus/x", "/sys/bus/ap/devices/04.0004/driver", "../../../bus/x"],
    [`${PCI}/driver -> ../../../bus/pci/drivers/vfio-pci`, `${PCI}/driver`, "../../../bus/pci/drivers/vfio-pci"],
    [
      "/sys/bus/pci/devices/0000:00:1f.2 -> ../../../devices/pci0000:00/0000:00:1f.2",
      "/sys/bus/pci/devices/0000:00:1f.2",
      "../../../devices/pci0000:00/0000:00:1f.2",
    ],
    ["/proc/4242/fd/12 -> anon_inode:kvm-vm", "/proc/4242/fd/12", "anon_inode:kvm-vm"],
    ["/sys/bus/ap/devices/04.0004/driver l ../../../bus/x", "/sys/bus/ap/devices/04.0004/driver", "../../../bus/x"],
    // An arrow in a value makes no link of it.
    ["/sys/x/state:a -> b", "/sys/x/state", "a -> b"],
    ["/sys/x/state:a b -> /c", "/sys/x/state", "a b -> /c"],
  ];
  test.each(lines)("%s", (line, path, value) => {
    expect(onlyEvent(sysfsImporter, `${line}\n`)).toEqual({
      kind: "environment",
      source: 3,
      line: 1,
      time: undefined,
      tid: 0,
      comm: "",
      text: line,
      path,
      value,
    });
  });

  test("an attribute of several lines gives as many events", () => {
    const matrix = "/sys/devices/vfio_ap/matrix/u/matrix";
    expect(
      environment(`${matrix}:05.0004\n${matrix}:05.0047\n`).map(({ line, path, value }) => [line, path, value]),
    ).toEqual([
      [1, matrix, "05.0004"],
      [2, matrix, "05.0047"],
    ]);
  });

  test.each([
    "grep: /sys/bus/ap/x: Permission denied",
    "grep: /sys/bus/ap/x: Is a directory",
    "Binary file /sys/x matches",
    "/sys/bus/ap/devices d ",
    "/sys/bus/ap/ap_domain f",
    "",
  ])("context: %s", (line) => {
    expect(run(`${line}\n`)).toMatchObject({ events: [], context: 1, unparsed: 0 });
  });

  test.each(["no path", "relative/path:4", "/sys/path/without/value", "/sys/path x y"])("reported: %s", (line) => {
    const { unparsed, diagnostics } = run(`${line}\n/sys/x:1\n`);
    expect(unparsed).toBe(1);
    expect(diagnostics[0]).toMatchObject({ code: "unparsed-line", line: 1 });
  });

  test("a last line that is cut is a truncation", () => {
    const { diagnostics, unparsed } = run("/sys/x:1\n/sys/bus/ap");
    expect(unparsed).toBe(1);
    expect(diagnostics.map(({ code, line }) => [code, line])).toEqual([["truncated-source", 2]]);
  });
});

describe("samples", () => {
  // grep -c '' FILE
  test.each([
    ["ap.txt", 115],
    ["pci.txt", 95],
    ["links.txt", 12],
    ["x86-sysfs-colon.txt", 55],
    ["x86-sysfs-nul-separated.txt", 55],
  ])("%s", (name, lines) => {
    const text = readSample("sysfs", name);
    expect(sysfsImporter.recognises(headOf(text))).toBe(true);
    const outcome = run(text);
    expect(outcome.events.length).toBe(lines);
    expect(outcome).toMatchObject({ lines, context: 0, unparsed: 0 });
  });

  test("grep -H and grep -HZ of the same paths say the same", () => {
    const facts = (name: string) => environment(readSample("sysfs", name)).map(({ path, value }) => [path, value]);
    expect(facts("x86-sysfs-colon.txt")).toEqual(facts("x86-sysfs-nul-separated.txt"));
  });

  test("all paths of the PCI sample are those of its device or of the groups", () => {
    const paths = new Set(environment(readSample("sysfs", "pci.txt")).map(({ path }) => path));
    for (const path of paths)
      expect(path).toMatch(/^\/sys\/(bus\/pci\/devices\/0000:00:05\.0|kernel|module|class|bus)\/[\w/.-]+$/);
  });
});

describe("recognition", () => {
  test.each([
    ["strace on stderr", "/usr/bin/strace: Process 16772 attached\n[pid 16772] exit(0) = ?\n[pid 16773] exit(0) = ?\n"],
    ["ftrace", "   sh-1       [000] ..... 1.000001: e: a=1\n"],
    ["prose", "hello\n"],
    ["nothing", ""],
  ])("not %s", (_, text) => {
    expect(sysfsImporter.recognises(headOf(text))).toBe(false);
  });

  test("in spite of a few lines of grep's", () => {
    expect(sysfsImporter.recognises(["grep: /sys/x: Permission denied", "/sys/bus/ap/ap_domain:4"])).toBe(true);
  });
});

describe("properties", () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9_.-]{0,12}$/);
  const directory = fc.oneof(
    name,
    fc.stringMatching(/^(pci)?[0-9a-f]{4}:[0-9a-f]{2}$/),
    fc.stringMatching(/^[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/),
    fc.stringMatching(/^[0-9]:[0-9]:[0-9]:[0-9]$/),
  );
  const path = fc
    .tuple(fc.array(directory, { maxLength: 5 }), name)
    .map(([directories, attribute]) => `/${[...directories, attribute].join("/")}`);

  test("any value without a slash is read back, behind any path of names and bus addresses", () => {
    fc.assert(
      fc.property(path, fc.stringMatching(/^[ -.0-~]{0,30}$/), (at, value) => {
        fc.pre(!value.includes(" -> "));
        expect(environment(`${at}:${value}\n`).map((event) => [event.path, event.value])).toEqual([[at, value]]);
      }),
      { numRuns: 1000 },
    );
  });

  test("any value is read back behind a NUL", () => {
    fc.assert(
      fc.property(path, fc.stringMatching(/^[ -~]{0,30}$/), (at, value) => {
        expect(environment(`${at}\0${value}\n`).map((event) => [event.path, event.value])).toEqual([[at, value]]);
      }),
      { numRuns: 1000 },
    );
  });

  test("never throws, every line is counted once", () => {
    const pieces = [
      "/sys",
      "/",
      ":",
      "0000:00",
      "a:b",
      " -> ",
      "..",
      "\0",
      " l ",
      " ",
      "\n",
      "grep: ",
      "x",
      "/a:b/c:d",
    ];
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ unit: "binary" })), { maxLength: 40 }),
        (parts) => {
          const { events, context, unparsed, lines } = run(parts.join(""));
          expect(events.length + context + unparsed).toBe(lines);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test.each([["a:b/"], ["/"], [":"], ["a"], [" -> "]])("one long line of %s is read in time", (piece) => {
    const { events, unparsed } = run(`/${piece.repeat(500_000)}\n`);
    expect(events.length + unparsed).toBe(1);
  });
});
