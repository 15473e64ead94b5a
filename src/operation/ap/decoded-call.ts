import type { ApCall } from "./call.js";

/** What one system call is for the models. */
export interface DecodedCall {
  readonly call: ApCall;
  readonly name: string;
}
