import type { ImporterSet } from "../../src/capture/importers.js";
import type { Event, Stamp } from "../../src/event/event.js";
import type { Format, Importer } from "../../src/ingest/importer.js";

/**
 * Importers of toy formats, a line an event: `S 12.000000005 7 text` (strace: a call named by the first word of the
 * text), `F 12.5 7 text` (ftrace: a mark), `D - 0 text` (s390dbf: a log line), `/path:value` (sysfs). `#` is context;
 * anything else is not understood.
 */
function toy(format: Format, letter: string): Importer {
  return {
    format,
    recognises: (head) => head.some((line) => line.startsWith(letter)),
    parser: (info, sink) => ({
      line(text, number) {
        if (text.startsWith("#") || text === "") sink.context(1);
        else if (!text.startsWith(letter)) {
          sink.diagnostic(
            { code: "unparsed-line", severity: "loss", file: info.file, line: number, message: "not understood" },
            1,
          );
        } else sink.event(eventOf(format, info.source, number, text));
      },
      end() {},
    }),
  };
}

function eventOf(format: Format, source: number, line: number, text: string): Event {
  const [, stamp = "-", tid = "0", ...rest] = text.split(" ");
  const base = { source, line, time: stampOf(stamp), tid: Number(tid), comm: "", text };
  const message = rest.join(" ");
  switch (format) {
    case "strace":
      return {
        ...base,
        kind: "syscall",
        phase: "complete",
        name: rest[0] ?? "",
        args: rest.slice(1),
        result: { kind: "value", text: "0", decoration: undefined },
        durationNs: undefined,
        dump: undefined,
      };
    case "s390dbf":
      return { ...base, kind: "log", area: "vfio_ap", message, level: 3 };
    case "sysfs": {
      const colon = text.indexOf(":");
      return {
        ...base,
        time: undefined,
        tid: 0,
        kind: "environment",
        path: text.slice(0, colon),
        value: text.slice(colon + 1),
      };
    }
    default:
      return { ...base, kind: "mark", message };
  }
}

function stampOf(text: string): Stamp | undefined {
  if (text === "-") return undefined;
  const [seconds = "0", fraction = ""] = text.split(".");
  return { seconds: Number(seconds), nanos: Number(fraction.padEnd(9, "0")) };
}

const importers = [toy("strace", "S "), toy("ftrace", "F "), toy("s390dbf", "D "), toy("sysfs", "/")];

export const toyImporters: ImporterSet = {
  detect: (head) => importers.find((importer) => importer.recognises(head)),
  of: (format) => importers.find((importer) => importer.format === format),
};
