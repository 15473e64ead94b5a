import type { PlatformCall } from "./call.js";

/** What one system call is for the model. */
export interface DecodedCall {
  readonly call: PlatformCall;
  readonly name: string;
}
