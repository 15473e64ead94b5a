/** Events to and from protobuf bytes. */

export { decodeEvent } from "./decode.js";
export { encodeEvent, sizeOfEvent } from "./encode.js";
export { WireReader, WireWriter } from "./wire.js";
