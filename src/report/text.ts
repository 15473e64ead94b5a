import type {
  CaptureReport,
  Divergence,
  DivergenceKind,
  KnownDefect,
  ProfileVerdict,
  RuleNote,
  Summary,
  Verdict,
} from "../check/report.js";
import type { Reporter } from "./reporter.js";
import { decoded, shortened, visible } from "./visible.js";

/** Characters of a recorded line, or of a value, that are shown. */
const MAX_SHOWN = 500;
/** Column at which the values of a divergence stand. */
const LABEL_WIDTH = 10;

/** For people: a line a conforming capture among many; of the others all there is. */
export const textReporter: Reporter = {
  name: "text",
  summary: "for people (the default)",
  *render(report) {
    const several = report.captures.length > 1;
    let short = false;
    for (const capture of report.captures) {
      short = several && capture.verdict === "conform";
      if (short) yield `${headline(capture)} (${briefly(capture)})\n${[...profileLines(capture)].join("")}`;
      else yield* renderCapture(capture);
    }
    if (several) yield `${short ? "\n" : ""}${total(report.summary)}\n`;
    if (report.captures.length === 0) yield "no capture was checked\n";
  },
};

function* renderCapture(capture: CaptureReport): Generator<string> {
  yield `${headline(capture)}\n`;
  if (capture.error !== undefined) yield paragraph("  ", capture.error);
  if (capture.verdict !== "error" || capture.events > 0) {
    yield `  profile: ${profileOf(capture)}\n`;
    yield `  ${counted(capture.events, "event")}, ${counted(capture.operations, "operation")}: ${capture.checked} checked, ${capture.unchecked} not; ${counted(capture.unparsed, "line")} not understood\n`;
  }
  if (capture.profiles !== undefined) {
    yield "\n  profiles\n";
    yield* profileLines(capture);
  }
  for (const [index, divergence] of capture.divergences.entries()) {
    yield* renderDivergence(divergence, index + 1, capture.rules);
  }
  if (capture.divergencesLeftOut > 0) {
    yield `\n  ${counted(capture.divergencesLeftOut, "more divergence")} left out (--max-divergences)\n`;
  }
  yield* renderUnchecked(capture);
  yield* renderDefects(capture);
  if (capture.notes.length > 0) {
    yield "\n  notes\n";
    for (const note of capture.notes) yield item("    ", note);
  }
  yield "\n";
}

/** What every profile makes of the capture: whether it explains it, and if not, what contradicts it first. */
function* profileLines({ profiles = [] }: CaptureReport): Generator<string> {
  const nameOf = ({ system, profile }: ProfileVerdict): string => visible(`${system} ${profile}`);
  const width = Math.max(0, ...profiles.map((one) => nameOf(one).length));
  for (const one of profiles) {
    const { verdict, chosen, divergences, first } = one;
    const name = `    ${nameOf(one).padEnd(width)}${chosen ? " *" : "  "}`;
    if (verdict === "conform") yield `${name} explains it: ${counted(one.checked, "operation")} checked\n`;
    else if (verdict === "inconclusive") yield `${name} is not decided: no operation was checked\n`;
    else yield `${name} does not explain it: ${counted(divergences, "divergence")}, the first\n`;
    if (first === undefined) continue;
    yield `      ${visible(first.source.file)}:${first.source.line}: ${shown(first.message)}\n`;
  }
}

function headline(capture: CaptureReport): string {
  return `${verdicts[capture.verdict]}  ${visible(capture.path)}`;
}

const verdicts: Readonly<Record<Verdict, string>> = {
  conform: "conform     ",
  divergent: "DIVERGENT   ",
  inconclusive: "inconclusive",
  error: "ERROR       ",
};

function briefly(capture: CaptureReport): string {
  return `${profileOf(capture)}; ${capture.checked} of ${counted(capture.operations, "operation")} checked`;
}

function profileOf(capture: CaptureReport): string {
  const profiles = Object.entries(capture.profile).map(([system, name]) => visible(`${system} ${name}`));
  return profiles.length === 0 ? "none" : profiles.join(", ");
}

const kinds: Readonly<Record<DivergenceKind, string>> = {
  result: "another result",
  effect: "another effect",
  state: "another state",
  invariant: "broken invariant",
  expected: "not the expected state",
};

function* renderDivergence(divergence: Divergence, number: number, rules: CaptureReport["rules"]): Generator<string> {
  const { source, time } = divergence;
  const when = time === "" ? "" : ` at ${seconds(time)}`;
  yield `\n  ${number}. ${kinds[divergence.kind]}: ${visible(divergence.name)} (operation ${divergence.operation}${when})\n`;
  yield `     ${shown(divergence.message)}\n`;
  yield `     ${visible(source.file)}:${source.line}\n`;
  if (source.text !== "") yield `       ${shown(source.text)}\n`;
  yield* labelled("expected", divergence.expected);
  yield* labelled("observed", [divergence.observed]);
  yield* labelled(
    divergence.rules.length === 1 ? "rule" : "rules",
    divergence.rules.map((rule) => describeRule(rule, rules)),
  );
  yield* labelled("state", divergence.state ?? []);
}

/** `rule title (source)`. */
function describeRule(rule: string, rules: CaptureReport["rules"]): string {
  const note = findRule(rule, rules);
  return note === undefined ? rule : `${rule}  ${note.title} (${note.source})`;
}

/** A rule may be named without its system where that is unique. */
function findRule(rule: string, rules: CaptureReport["rules"]): RuleNote | undefined {
  const exact = Object.hasOwn(rules, rule) ? rules[rule] : undefined;
  return exact ?? Object.entries(rules).find(([name]) => name.endsWith(`/${rule}`))?.[1];
}

function* labelled(label: string, values: readonly string[]): Generator<string> {
  for (const [index, value] of values.entries()) {
    yield `     ${(index === 0 ? label : "").padEnd(LABEL_WIDTH)} ${shown(value)}\n`;
  }
}

function* renderUnchecked(capture: CaptureReport): Generator<string> {
  if (capture.unchecked === 0) return;
  yield "\n  not checked\n";
  for (const kind of capture.kinds) {
    const reasons = Object.entries(kind.unchecked).sort(([, a], [, b]) => b - a);
    if (reasons.length === 0) continue;
    const missing = reasons.reduce((sum, [, count]) => sum + count, 0);
    yield `    ${visible(kind.name)}: ${missing} of ${kind.total}\n`;
    for (const [reason, count] of reasons) yield item("      ", `${reason} (${count})`);
  }
}

function* renderDefects(capture: CaptureReport): Generator<string> {
  if (capture.knownDefects.length === 0) return;
  yield "\n  known defects of this profile, not divergences\n";
  for (const defect of capture.knownDefects) yield item("    ", describeDefect(defect, capture.rules));
  if (capture.knownDefectsLeftOut > 0) yield `    ${capture.knownDefectsLeftOut} more left out\n`;
}

function describeDefect(defect: KnownDefect, rules: CaptureReport["rules"]): string {
  const because = defect.rules.map((rule) => describeRule(rule, rules)).join("; ");
  return `operation ${defect.operation}: ${defect.message} [${because}]`;
}

function total(summary: Summary): string {
  const parts = [
    `${summary.conform} conform`,
    `${summary.divergent} divergent`,
    `${summary.inconclusive} inconclusive`,
    counted(summary.errors, "error"),
  ];
  return `${counted(summary.captures, "capture")}: ${parts.join(", ")}; ${summary.checked} of ${counted(summary.operations, "operation")} checked`;
}

/** Text of ours or of the input on one line. */
function shown(text: string): string {
  return visible(shortened(decoded(text), MAX_SHOWN));
}

function item(indent: string, text: string): string {
  return `${indent}- ${shown(text)}\n`;
}

/** A text of several lines. */
function paragraph(indent: string, text: string): string {
  return text
    .split("\n")
    .map((line) => `${indent}${shown(line)}\n`)
    .join("");
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** Nanoseconds as seconds with all their digits. */
function seconds(nanoseconds: string): string {
  if (!/^\d{1,30}$/.test(nanoseconds)) return visible(nanoseconds);
  const digits = nanoseconds.padStart(10, "0");
  return `${digits.slice(0, -9)}.${digits.slice(-9)}`;
}
