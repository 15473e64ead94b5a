import type { Importer } from "../importer.js";
import { areaOfHeader } from "./area.js";
import { readHead } from "./head.js";
import { S390dbfParser } from "./parser.js";

/** The sprintf views of s390 debug areas, one or several in a file (d). */
export const s390dbfImporter: Importer = {
  format: "s390dbf",
  // A header alone is enough: the area may be empty.
  recognises: ([first]) => first !== undefined && (readHead(first, 0) !== undefined || isAreaHeader(first)),
  parser: (info, sink) => new S390dbfParser(info, sink),
};

/** tail prints such headers before files of any kind: those of debug areas have the view's name. */
function isAreaHeader(line: string): boolean {
  return (
    areaOfHeader(line) !== undefined && /(?:\/(?:sprintf|hex_ascii)|s390dbf.{0,4096}) <==\s*$/.test(line.slice(0, 5000))
  );
}
