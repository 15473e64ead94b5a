import type { Capture } from "../capture/capture.js";
import type { Event } from "../event/event.js";
import { apModel } from "../model/ap/model.js";
import { apProfiles } from "../model/ap/profile.js";
import type { Model, ModelState } from "../model/core/model.js";
import type { Rule } from "../model/core/rule.js";
import { dawrModel } from "../model/dawr/model.js";
import { dawrProfiles } from "../model/dawr/profile.js";
import { platformModel } from "../model/platform/model.js";
import { platformProfiles } from "../model/platform/profile.js";
import { ruleRegistry } from "../model/registry.js";
import { ApAssembler } from "../operation/ap/assembler.js";
import { DawrAssembler } from "../operation/dawr/assembler.js";
import type { Operation } from "../operation/operation.js";
import { PlatformAssembler, type PlatformRecorders } from "../operation/platform/assembler.js";
import { Checker, type Judged } from "./checker.js";
import { factsOf } from "./facts.js";
import type { Findings } from "./findings.js";
import { uniqueNames } from "./findings.js";
import { type ChosenProfile, chooseProfile, kernelOf, wantsEveryProfile } from "./profile.js";
import type { Tally } from "./tally.js";

/** What starting a system on a capture needs. */
export interface StartOptions {
  readonly profiles: readonly string[];
  readonly facts: Readonly<Record<string, string>>;
  readonly maxDivergences: number;
  readonly onJudged: ((judged: Judged) => void) | undefined;
  /** Whether the state after an operation may be asked for; absent: never. */
  readonly wantsState?: (operation: Operation) => boolean;
  readonly gathersRules?: boolean;
  note(text: string): void;
}

/** A capture held against one profile of a system. */
interface Judge {
  readonly tally: Tally;
  readonly findings: Findings;
  readonly reached: ReadonlySet<string>;
  notes(): readonly string[];
  /** The states that explain what was recorded up to here, in the JSON form: several where that is left open. */
  states(): readonly unknown[];
}

/** One system at work on one capture: events in, findings out. */
export interface SystemRun {
  readonly system: string;
  /** All rules of its model. */
  readonly rules: readonly Rule[];
  readonly profile: ChosenProfile;
  readonly checker: Judge;
  /** With `--profile all`: every profile of the system, the chosen one among them. Else empty. */
  readonly every: readonly { readonly profile: string; readonly checker: Judge }[];
  /** Whether something was recorded that can only be about this system. */
  evident(): boolean;
  push(event: Event): void;
  finish(): void;
}

/** Makes the operations of one system out of the stream of events. */
interface Assembler {
  /** Set where something was recorded that can only be about its system. */
  readonly evident?: boolean;
  push(event: Event): void;
  finish(): void;
}

interface System {
  readonly system: string;
  /** Machines that have it; others cannot. */
  readonly archs: readonly string[];
  start(capture: Capture, options: StartOptions): SystemRun;
}

/** Of a profile that a capture is only compared with, the first divergence is told. */
const FIRST_ONLY = { maxDivergences: 1, onJudged: undefined, wantsState: never } as const;

function never(): false {
  return false;
}

const uniqueRules = uniqueNames(ruleRegistry);

function system<S extends ModelState>(
  model: Model<S>,
  archs: readonly string[],
  profiles: readonly string[],
  assembler: (capture: Capture, emit: (group: readonly Operation[]) => void) => Assembler,
): System {
  const start = (capture: Capture, options: StartOptions): SystemRun => {
    const profile = chooseProfile(model.system, profiles, options.profiles, capture.manifest, capture.environment);
    const setting = {
      facts: factsOf(model.system, capture.manifest, options.facts),
      environment: capture.environment,
      arch: capture.manifest.arch,
      kernel: kernelOf(capture.manifest, capture.environment),
    };
    const { maxDivergences, onJudged, wantsState = never, gathersRules = false } = options;
    const chosen = { ...setting, profile: profile.name, note: options.note };
    const checker = new Checker(model, capture, chosen, {
      maxDivergences,
      unique: uniqueRules,
      onJudged,
      wantsState,
      gathersRules,
    });
    const every = wantsEveryProfile(model.system, options.profiles)
      ? profiles.map((name) => {
          if (name === profile.name) return { profile: name, checker };
          // What is to be said of facts and snapshot, the chosen profile's run has said.
          const other = { ...setting, profile: name, note: () => {} };
          return { profile: name, checker: new Checker(model, capture, other, { ...FIRST_ONLY, unique: uniqueRules }) };
        })
      : [];
    const others = every.map((one) => one.checker).filter((one) => one !== checker);
    const assemble = assembler(capture, (group) => {
      checker.take(group);
      for (const other of others) other.take(group);
    });
    return {
      system: model.system,
      rules: model.rules,
      profile,
      checker,
      every,
      evident: () => assemble.evident === true,
      push: (event) => assemble.push(event),
      finish: () => assemble.finish(),
    };
  };
  return { system: model.system, archs, start };
}

/** System calls are those of strace where it recorded; the trace of the kernel shows the same ones once more. */
function platformRecorders({ sources }: Capture): PlatformRecorders {
  const straces = sources.flatMap(({ format }, i) => (format === "strace" ? [i] : []));
  return {
    callSources: straces.length > 0 ? new Set(straces) : undefined,
    severalSources: straces.length > 1,
    structures: sources.some(({ probes }) => probes?.some((name) => STRUCTURE_PROBES.has(name)) === true),
  };
}

const STRUCTURE_PROBES: ReadonlySet<string> = new Set(["ioctl_in", "ioctl_out", "set_irqs", "set_irqs_out"]);

const systems: readonly System[] = [
  system(apModel, ["s390x", "s390"], apProfiles, (_capture, emit) => new ApAssembler(emit)),
  system(
    platformModel,
    ["arm64", "aarch64"],
    platformProfiles,
    (capture, emit) => new PlatformAssembler(emit, platformRecorders(capture)),
  ),
  system(
    dawrModel,
    ["ppc64le", "ppc64", "powerpc64le", "powerpc64", "ppc", "powerpc"],
    dawrProfiles,
    ({ manifest, sources }, emit) =>
      new DawrAssembler({ formats: sources.map(({ format }) => format), arch: manifest.arch }, emit),
  ),
];

/** The systems that a capture can be about: those of its machine, or all where it does not say. */
export function systemsFor(capture: Capture): readonly System[] {
  const { arch } = capture.manifest;
  const fitting = systems.filter(({ archs }) => arch === undefined || archs.includes(arch));
  return fitting.length > 0 ? fitting : systems;
}
