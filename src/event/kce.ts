/** The .kce file: a capture as protobuf events. */

export {
  KCE_MAGIC,
  KCE_VERSION,
  type KceEnd,
  type KceHeader,
  type KceSource,
  type KceTotals,
  type SourceCounts,
} from "./kce-format.js";
export { type KceItem, readKce } from "./kce-reader.js";
export { type KceWriter, writeKce } from "./kce-writer.js";
