import type { NamedBytes } from "../capture/bytes.js";
import type { CoverageReport } from "../check/coverage.js";
import type { Firings } from "../check/firings.js";
import type { CaptureReport, Report } from "../check/report.js";

/** What the commands are the face of. Each is loaded when a command needs it, and tests put in their own. */
export interface Services {
  loadCheck(): Promise<CheckFunction>;
  loadReplay(): Promise<ReplayFunction>;
  loadCoverage(): Promise<CoverageFunction>;
  loadFirings(): Promise<FiringsFunction>;
  loadRules(): Promise<readonly RuleText[]>;
  loadSystems(): Promise<readonly SystemText[]>;
  loadIngest(): Promise<typeof import("../capture/ingest.js")>;
}

/** Choices that check and replay share. */
export interface ModelOptions {
  /** `P` or `SYSTEM=P`. */
  readonly profile?: string[];
  /** Fact by its dotted name: `ap.hostAqicStatus`. */
  readonly facts?: Record<string, string>;
  readonly signal?: AbortSignal;
}

export interface CheckOptions extends ModelOptions {
  readonly together?: boolean;
  readonly maxDivergences?: number;
  /** The expected states are gathered, not compared: called after each capture with the text of its `expected.json`. */
  readonly onExpected?: (capture: CaptureReport, text: string | undefined) => Promise<void>;
  readonly onProgress?: (progress: { readonly path: string; readonly events: number }) => void;
}

export type CheckFunction = (inputs: Iterable<string | NamedBytes>, options?: CheckOptions) => Promise<Report>;

export interface CoverageOptions extends ModelOptions {
  readonly together?: boolean;
  readonly onProgress?: (progress: { readonly path: string; readonly events: number }) => void;
}

export type CoverageFunction = (inputs: Iterable<string>, options?: CoverageOptions) => Promise<CoverageReport>;

export interface FiringOptions extends ModelOptions {
  readonly together?: boolean;
  /** Operations named for each capture. */
  readonly limit: number;
}

/** Where a rule, by its full name, fired in captures. */
export type FiringsFunction = (
  inputs: Iterable<string>,
  rule: string,
  options: FiringOptions,
) => AsyncIterable<Firings>;

export interface ReplayOptions extends ModelOptions {
  readonly together?: boolean;
  /** Only what changed since the operation before. */
  readonly delta?: boolean;
  /** Only the operation of this number. */
  readonly at?: number;
}

/** One object an operation, ready for JSON; `operation` counts from 1. @throws InputError. */
export type ReplayFunction = (
  path: string,
  options?: ReplayOptions,
) => AsyncIterable<{ readonly operation: number; readonly [key: string]: unknown }>;

/** A rule as `explain` prints it. */
export interface RuleText {
  /** `ap-config/ASG-1`. */
  readonly id: string;
  readonly title: string;
  readonly text: string;
  readonly source: string;
  readonly profiles: readonly string[];
}

/** A system with its profiles, as `profiles` prints them. */
export interface SystemText {
  readonly system: string;
  readonly profiles: readonly {
    readonly name: string;
    readonly title: string;
    readonly parameters: Readonly<Record<string, string>>;
  }[];
}
