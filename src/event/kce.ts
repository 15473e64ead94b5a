/** The .kce file: a capture as protobuf events. */

export type { KceHeader, KceTotals } from "./kce-format.js";
export { type KceItem, readKce } from "./kce-reader.js";
export { writeKce } from "./kce-writer.js";
