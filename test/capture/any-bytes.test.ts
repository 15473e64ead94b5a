import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openCapture } from "../../src/capture/open.js";

async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

/** All that can be seen of a capture of these bytes; the same for every way of cutting them. */
async function seen(bytes: Uint8Array, size: number): Promise<unknown> {
  const capture = await openCapture({ name: "x", bytes: inChunks(bytes, size) });
  if ("error" in capture) return capture;
  const events: unknown[] = [];
  for await (const batch of capture.events()) events.push(...batch);
  for (const { counts } of capture.sources) {
    if (capture.sources[0]?.format === "kce") continue;
    expect(counts.events + counts.context + counts.unparsed).toBe(counts.lines);
  }
  const { sources, diagnostics, diagnosticsLeftOut, environment } = capture;
  return {
    events,
    diagnostics,
    diagnosticsLeftOut,
    environment,
    sources: sources.map(({ file, format, probes, counts }) => ({ file, format, probes, counts })),
  };
}

const beginnings = [
  '2201  1711118461.150027 openat(AT_FDCWD</root>, "/x", O_WRONLY) = 3</x>\n',
  " qemu-4100    [003] ..... 1711118462.052326: apcb_set: kvm=0x814c0000 apm=0 aqm=0 adm=0\n",
  "# tracer: nop\n#\n",
  "==> /sys/kernel/debug/s390dbf/kvm-4100/sprintf <==\n00 01711118462:052338 3 - 0003 000003ff805a3c46  CLR CRYCB:\n",
  "[    3.945050] ima: No TPM chip found\n",
  '{"kind":"mark","source":0,"line":7,"tid":42,"comm":"sh","text":"...","message":"go"}\n',
  "/sys/bus/ap/ap_domain:4\n",
  "\u0089KCE\r\n\u001a\n\u0003\u0008\u0001\u0010",
  "\u001f\u008b\u0008\0\0\0\0\0\0\u0003",
  "",
];

describe("a capture of any bytes", () => {
  it("opens or says why not, the same in chunks of any size", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...beginnings),
        fc.oneof(
          fc.uint8Array({ maxLength: 400 }),
          fc.array(fc.constantFrom(...beginnings, "\n", "x", "\0", ": ", "= -1 E", "<unfinished ...>\n"), {
            maxLength: 12,
          }),
        ),
        fc.constantFrom(1, 7, 64),
        async (beginning, rest, size) => {
          const tail = Array.isArray(rest) ? Buffer.from(rest.join(""), "latin1") : rest;
          const bytes = Buffer.concat([Buffer.from(beginning, "latin1"), tail]);
          expect(await seen(bytes, size)).toEqual(await seen(bytes, bytes.length + 1));
        },
      ),
      { numRuns: 400 },
    );
  });
});
