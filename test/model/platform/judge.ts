import { Worlds } from "../../../src/check/worlds.js";
import type { Event } from "../../../src/event/event.js";
import { ftraceImporter } from "../../../src/ingest/ftrace/importer.js";
import { straceImporter } from "../../../src/ingest/strace/importer.js";
import { platformModel } from "../../../src/model/platform/model.js";
import type { PlatformState } from "../../../src/model/platform/state.js";
import type { Operation } from "../../../src/operation/operation.js";
import { PlatformAssembler } from "../../../src/operation/platform/assembler.js";

/** What the model says of one operation of a text. */
export interface Verdict {
  readonly line: number;
  readonly name: string;
  readonly verdict: "checked" | "unchecked" | "divergent";
  readonly message: string;
  readonly rules: readonly string[];
}

export interface Judgement {
  readonly verdicts: readonly Verdict[];
  readonly divergent: readonly Verdict[];
  readonly defects: readonly string[];
  /** What is unlikely, but allowed. */
  readonly remarks: readonly string[];
  readonly state: unknown;
}

const observability = { syscalls: true, sees: () => true };

const strace = {
  importer: straceImporter,
  recorders: { callSources: new Set([0]), severalSources: false, structures: false },
};
/** Probe lines alone, without system calls. */
const probes = {
  importer: ftraceImporter,
  recorders: { callSources: undefined, severalSources: false, structures: true },
};

/** System calls by strace, their structures by probes. */
const both = {
  importer: straceImporter,
  recorders: { callSources: new Set([0]), severalSources: false, structures: true },
};

/** Stands for a line of a recorder that lost some before it. */
export const LOST = "[LOST EVENTS]";
const lost = { kind: "gap", source: 0, time: undefined, tid: 0, comm: "", text: LOST, cpu: 0, lost: 3 } as const;

/** Holds strace text, or the text of probes, against the model, line by line as a capture would be. */
export function judge(
  lines: readonly string[],
  profile: string,
  facts: Readonly<Record<string, unknown>> = {},
  { importer, recorders }: typeof strace | typeof probes | typeof both = strace,
): Judgement {
  const state = platformModel.initial({ profile, facts, environment: [], arch: "aarch64", note: () => {} });
  const worlds = new Worlds<PlatformState>(platformModel, state, observability, () => false);
  const verdicts: Verdict[] = [];
  const defects = new Set<string>();
  const remarks: string[] = [];
  const take = (group: readonly Operation[]): void => {
    for (const settled of worlds.settle(group)) {
      const { operation, trial, mismatches, touched } = settled;
      for (const broken of platformModel.broken(worlds.state, touched)) {
        if (broken.prescribedBy !== undefined) defects.add(broken.prescribedBy.id);
        else if (mismatches === undefined && verdicts.every((one) => one.verdict !== "divergent"))
          throw new Error(`invariant ${broken.rule.id}: ${broken.message}`);
      }
      remarks.push(...trial.remarks.map(({ message }) => message));
      if (!platformModel.models(operation) && mismatches === undefined) continue;
      const [main] = mismatches ?? [];
      const checked = trial.judged && trial.unchecked.length === 0;
      verdicts.push({
        line: operation.event.line,
        name: operation.name,
        verdict: main !== undefined ? "divergent" : checked ? "checked" : "unchecked",
        message:
          main === undefined ? trial.unchecked.join("; ") : `expected ${main.expected}, observed ${main.observed}`,
        rules: (main?.rules ?? [...trial.rules]).map((rule) => rule.id.replace("platform/", "")),
      });
    }
  };
  const assembler = new PlatformAssembler(take, recorders);
  const sink = {
    event: (event: Event) => assembler.push(event),
    context: () => {},
    diagnostic: () => {},
  };
  const parser = importer.parser({ source: 0, file: "recording.txt" }, sink);
  const others = ftraceImporter.parser({ source: 1, file: "trace.txt" }, sink);
  lines.forEach((line, i) => {
    if (line === LOST) assembler.push({ ...lost, line: i + 1 });
    else if (line.startsWith(PROBE)) others.line(line, i + 1);
    else parser.line(line, i + 1);
  });
  parser.end(true);
  assembler.finish();
  return {
    verdicts,
    divergent: verdicts.filter((one) => one.verdict === "divergent"),
    defects: [...defects],
    remarks,
    state: platformModel.render(worlds.state),
  };
}

/** How a line of a probe begins where the system calls come from another recorder. */
export const PROBE = "             vmm-77 ";

/** Lines of strace and of probes in the order in which the streams were merged. */
export function judgeBoth(
  lines: readonly string[],
  profile: string,
  facts: Readonly<Record<string, unknown>>,
): Judgement {
  return judge(lines, profile, facts, both);
}

/** Probe lines of one task, and what the model says of them. */
export function judgeProbes(
  texts: readonly string[],
  profile: string,
  facts: Readonly<Record<string, unknown>>,
): Judgement {
  const lines = texts.map((text, i) =>
    text.startsWith("CPU:") ? text : `  vmm-77      [000] .....     2.${String(i + 1).padStart(6, "0")}: ${text}`,
  );
  return judge(lines, profile, facts, probes);
}
