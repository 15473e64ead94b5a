import type { Capture } from "../capture/capture.js";
import type { Event } from "../event/event.js";
import { apModel } from "../model/ap/model.js";
import { apProfiles } from "../model/ap/profile.js";
import type { Model, ModelState } from "../model/core/model.js";
import { ruleRegistry } from "../model/registry.js";
import { ApAssembler } from "../operation/ap/assembler.js";
import type { Operation } from "../operation/operation.js";
import { Checker, type Judged } from "./checker.js";
import { factsOf } from "./facts.js";
import type { Findings } from "./findings.js";
import { uniqueNames } from "./findings.js";
import { type ChosenProfile, chooseProfile } from "./profile.js";
import type { Tally } from "./tally.js";

/** What starting a system on a capture needs. */
export interface StartOptions {
  readonly profiles: readonly string[];
  readonly facts: Readonly<Record<string, string>>;
  readonly maxDivergences: number;
  readonly onJudged: ((judged: Judged) => void) | undefined;
  note(text: string): void;
}

/** One system at work on one capture: events in, findings out. */
export interface SystemRun {
  readonly system: string;
  readonly profile: ChosenProfile;
  readonly checker: {
    readonly tally: Tally;
    readonly findings: Findings;
    readonly reached: ReadonlySet<string>;
    notes(): readonly string[];
  };
  push(event: Event): void;
  finish(): void;
}

/** Makes the operations of one system out of the stream of events. */
interface Assembler {
  push(event: Event): void;
  finish(): void;
}

interface System {
  readonly system: string;
  /** Machines that have it; others cannot. */
  readonly archs: readonly string[];
  start(capture: Capture, options: StartOptions): SystemRun;
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
      profile: profile.name,
      facts: factsOf(model.system, capture.manifest, options.facts),
      environment: capture.environment,
      arch: capture.manifest.arch,
      note: options.note,
    };
    const { maxDivergences, onJudged } = options;
    const checker = new Checker(model, capture, setting, { maxDivergences, unique: uniqueRules, onJudged });
    const assemble = assembler(capture, (group) => checker.take(group));
    return {
      system: model.system,
      profile,
      checker,
      push: (event) => assemble.push(event),
      finish: () => assemble.finish(),
    };
  };
  return { system: model.system, archs, start };
}

const systems: readonly System[] = [
  system(apModel, ["s390x", "s390"], apProfiles, (_capture, emit) => new ApAssembler(emit)),
];

/** The systems that a capture can be about: those of its machine, or all where it does not say. */
export function systemsFor(capture: Capture): readonly System[] {
  const { arch } = capture.manifest;
  const fitting = systems.filter(({ archs }) => arch === undefined || archs.includes(arch));
  return fitting.length > 0 ? fitting : systems;
}
