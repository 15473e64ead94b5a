import { dmesgImporter } from "./dmesg/importer.js";
import { ftraceImporter } from "./ftrace/importer.js";
import { hasFtraceHeader } from "./ftrace/recognise.js";
import type { Format, Importer } from "./importer.js";
import { s390dbfImporter } from "./s390dbf/importer.js";
import { straceImporter } from "./strace/importer.js";
import { sysfsImporter } from "./sysfs/importer.js";

/** A way to tell a format from the beginning of a file. */
interface Sniffer {
  readonly importer: Importer;
  readonly recognises: (head: readonly string[]) => boolean;
}

/**
 * Asked in this order, the first that recognises the file wins (capture-formats.md, section 0.8): headers that one recorder alone
 * prints, then fixed columns, then strace, whose lines may begin with almost anything, and last ftrace records without a header.
 */
const sniffers: readonly Sniffer[] = [
  { importer: ftraceImporter, recognises: hasFtraceHeader },
  snifferOf(s390dbfImporter),
  snifferOf(sysfsImporter),
  snifferOf(dmesgImporter),
  snifferOf(straceImporter),
  snifferOf(ftraceImporter),
];

function snifferOf(importer: Importer): Sniffer {
  return { importer, recognises: (head) => importer.recognises(head) };
}

/**
 * The importer for a file that begins with these non-empty lines (latin-1, without their ends); undefined if no text format that
 * is read line by line has them. Binary formats, JSON lines and CSV are told before by whoever opens the file.
 */
export function detect(head: readonly string[]): Importer | undefined {
  return sniffers.find(({ recognises }) => recognises(head))?.importer;
}

/** The importer of a format that a manifest names; undefined if the format is not read line by line here. */
export function importerOf(format: Format): Importer | undefined {
  return sniffers.find(({ importer }) => importer.format === format)?.importer;
}
