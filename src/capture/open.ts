import type { Diagnostic } from "../event/diagnostic.js";
import type { EnvironmentEvent, Event } from "../event/event.js";
import { alignClocks } from "./align.js";
import { type Candidate, formatOfEmptyFile, lookInto, refusal, toSource } from "./candidate.js";
import type { Capture, CaptureFailure } from "./capture.js";
import { DiagnosticLog } from "./diagnostics.js";
import { type CaptureInput, type CaptureLocation, findCaptures, type NamedFile } from "./discovery.js";
import { canBeSource, type Folder } from "./folder.js";
import { findGaps, gapBatches } from "./gaps.js";
import { allImporters, type ImporterSet } from "./importers.js";
import { openKce } from "./kce-capture.js";
import type { Manifest } from "./manifest.js";
import { emptyManifest, parseManifest } from "./manifest-parse.js";
import { type Lane, merge } from "./merge.js";
import { inRingOrder } from "./ring.js";
import { chooseSnapshots, leadingEnvironment, readEnvironment, withoutEnvironment } from "./snapshot.js";
import { readFormats } from "./sniff.js";
import { describeFileError, formatRank, isFileSystemError, type OpenSource, readSource } from "./source-reader.js";

/** Size of capture.json at most. */
const MAX_MANIFEST = 16 * 2 ** 20;
/** Size of expected.json at most. */
const MAX_EXPECTED = 256 * 2 ** 20;

export interface OpenOptions {
  /** The files named, or those of one directory, are one capture. */
  readonly together?: boolean;
  readonly signal?: AbortSignal;
  /** Other importers than all that there are. */
  readonly importers?: ImporterSet;
}

/**
 * Opens the captures that inputs stand for, one after the other. One that can't be opened is a {@link CaptureFailure},
 * and the others follow all the same.
 * @throws the signal's reason.
 */
export async function* openCaptures(
  inputs: Iterable<CaptureInput>,
  options: OpenOptions = {},
): AsyncGenerator<Capture | CaptureFailure> {
  const { importers = allImporters, signal, together = false } = options;
  for await (const location of findCaptures(inputs, { together, importers, signal })) {
    yield await openLocation(location, importers);
  }
}

/** Opens the one capture that an input stands for; a {@link CaptureFailure} where it stands for several. */
export async function openCapture(input: CaptureInput, options: OpenOptions = {}): Promise<Capture | CaptureFailure> {
  const { importers = allImporters, signal, together = false } = options;
  const found: CaptureLocation[] = [];
  for await (const location of findCaptures([input], { together, importers, signal })) {
    found.push(location);
    if (found.length === 2) break;
  }
  const [one, another] = found;
  const path = typeof input === "string" ? input : input.name;
  if (one === undefined) return { path, error: "there is no capture" };
  if (another !== undefined) {
    return { path, error: `holds several captures (${one.path}, ${another.path} ...): name one of them` };
  }
  return openLocation(one, importers);
}

/** Opens a capture that was found. */
async function openLocation(location: CaptureLocation, importers: ImporterSet): Promise<Capture | CaptureFailure> {
  try {
    switch (location.kind) {
      case "failure":
        return { path: location.path, error: location.error };
      case "folder":
        return await openFolder(location, importers);
      case "files":
        return await openFiles(location.path, location.files, importers);
    }
  } catch (error) {
    if (!isFileSystemError(error)) throw error;
    return { path: location.path, error: describeFileError(error) };
  }
}

/** What was found out about a capture before its sources are put together. */
interface Draft {
  readonly path: string;
  readonly manifest: Manifest;
  readonly manifestText: string | undefined;
  readonly expected: string | undefined;
  readonly candidates: readonly Candidate[];
  readonly snapshot: Candidate | undefined;
  readonly log: DiagnosticLog;
}

async function openFolder(
  location: Extract<CaptureLocation, { kind: "folder" }>,
  importers: ImporterSet,
): Promise<Capture | CaptureFailure> {
  const { path, folder, notes } = location;
  const log = new DiagnosticLog();
  for (const note of notes) log.add(note);
  const manifestFile = await readText(folder, "capture.json", MAX_MANIFEST);
  const expectedFile = await readText(folder, "expected.json", MAX_EXPECTED);
  for (const file of [manifestFile, expectedFile]) if (file.error !== undefined) return { path, error: file.error };
  let manifest = emptyManifest;
  if (manifestFile.text !== undefined) {
    const parsed = parseManifest(manifestFile.text, "capture.json");
    if (parsed.kind === "errors") return { path, error: parsed.errors.join("\n") };
    for (const note of parsed.notes) log.add(note);
    manifest = parsed.manifest;
  }
  const candidates: Candidate[] = [];
  if (manifest.sources === undefined) {
    for (const name of await folder.list()) {
      if (!canBeSource(name) || name === manifest.environment) continue;
      const bytes = await folder.file(name);
      if (bytes !== undefined) candidates.push(await lookInto(name, bytes, undefined, importers, log));
    }
  } else {
    for (const [index, settings] of manifest.sources.entries()) {
      const bytes = await folder.file(settings.file);
      if (bytes === undefined) {
        const error = `capture.json: sources[${index}].file: there is no file ${settings.file} in the capture`;
        return { path, error };
      }
      candidates.push(await lookInto(settings.file, bytes, settings, importers, log));
    }
  }
  const named = manifest.environment ?? "sysfs.txt";
  const environment = await folder.file(named);
  if (environment === undefined && manifest.environment !== undefined) {
    return { path, error: `capture.json: environment: there is no file ${named} in the capture` };
  }
  const snapshot =
    environment === undefined ? undefined : await lookInto(named, environment, undefined, importers, log);
  const others = candidates.filter(({ name }) => name !== named || environment === undefined);
  const expected = expectedFile.text;
  const manifestText = manifestFile.text;
  return openDraft({ path, manifest, manifestText, expected, candidates: others, snapshot, log }, importers);
}

/** The text of a small file; no text where there is no such file. */
async function readText(
  folder: Folder,
  name: string,
  limit: number,
): Promise<{ readonly text: string | undefined; readonly error?: string }> {
  const source = await folder.file(name);
  if (source === undefined) return { text: undefined };
  const bytes = await source.peek(limit + 1);
  if (bytes.length > limit) return { text: undefined, error: `${name} is longer than ${limit} bytes` };
  return { text: Buffer.from(bytes).toString("utf8") };
}

async function openFiles(
  path: string,
  files: readonly NamedFile[],
  importers: ImporterSet,
): Promise<Capture | CaptureFailure> {
  const log = new DiagnosticLog();
  const candidates: Candidate[] = [];
  for (const { name, bytes } of files) {
    const candidate = await lookInto(name, bytes, undefined, importers, log);
    const { sniffed } = candidate;
    if (sniffed.kind === "kce" && files.length === 1) return openKce(path, sniffed.bytes);
    const reason = refusal(candidate);
    if (reason !== undefined) {
      const hint = sniffed.kind === "unrecognised" ? `\nthese are read: ${readFormats}` : "";
      return { path, error: `${name === path ? "the file" : name} ${reason}${hint}` };
    }
    candidates.push(candidate);
  }
  const none = { manifestText: undefined, expected: undefined, snapshot: undefined };
  return openDraft({ path, manifest: emptyManifest, ...none, candidates, log }, importers);
}

async function openDraft(draft: Draft, importers: ImporterSet): Promise<Capture | CaptureFailure> {
  const { path, manifest, log } = draft;
  const sources: OpenSource[] = [];
  const snapshots: OpenSource[] = [];
  for (const candidate of draft.candidates) {
    const { name, sniffed, settings } = candidate;
    const source =
      sniffed.kind === "empty" && settings === undefined && draft.candidates.length > 1 && !formatOfEmptyFile(name)
        ? { reason: "is empty" }
        : await toSource(candidate, importers);
    if (!("reason" in source)) {
      (source.format === "sysfs" ? snapshots : sources).push(source);
      if (sniffed.kind === "empty") log.add(emptySource(name));
    } else if (settings !== undefined) {
      return { path, error: `capture.json lists ${name}, which ${source.reason}` };
    } else {
      log.add({
        code: "not-a-source",
        severity: "note",
        file: name,
        line: 0,
        message: `not read: it ${source.reason}`,
      });
    }
  }
  const named = draft.snapshot === undefined ? undefined : await snapshotSource(draft.snapshot, importers);
  if (named !== undefined && "reason" in named) {
    return { path, error: `the snapshot ${draft.snapshot?.name} can't be read: it ${named.reason}` };
  }
  const environmentSources = await chooseSnapshots(named, snapshots, log);
  if (sources.length === 0) {
    const what = environmentSources.length === 0 ? "holds no recording" : "holds a snapshot and no recording";
    return { path, error: `${what} of a known format: there is nothing to check` };
  }
  if (manifest.sources === undefined) {
    sources.sort((a, b) => formatRank(a.format) - formatRank(b.format));
  }
  const given = sources.map(({ file }) => manifest.sources?.find((listed) => listed.file === file)?.offsetNs ?? 0n);
  const offsets = await alignClocks(sources, given, log);
  const environment = [...(await readEnvironment(environmentSources, sources.length, log))];
  for (const [index, source] of sources.entries()) {
    if (source.format !== "jsonl") continue;
    for (const line of await leadingEnvironment(source, index)) environment.push(line);
  }
  return new OpenedCapture(draft, sources, offsets, environmentSources, environment);
}

function emptySource(file: string): Diagnostic {
  return { code: "empty-source", severity: "note", file, line: 0, message: "holds no line: did the recorder run?" };
}

/** The snapshot as a source; by its place it is one, whatever its content looks like. */
function snapshotSource(candidate: Candidate, importers: ImporterSet): ReturnType<typeof toSource> {
  const settings = {
    file: candidate.name,
    format: "sysfs",
    clock: undefined,
    offsetNs: 0n,
    probes: undefined,
  } as const;
  return toSource({ ...candidate, settings }, importers);
}

class OpenedCapture implements Capture {
  readonly path: string;
  readonly manifest: Manifest;
  readonly manifestText: string | undefined;
  readonly expected: string | undefined;
  readonly sources: readonly OpenSource[];
  readonly environment: readonly EnvironmentEvent[];
  readonly #log: DiagnosticLog;
  readonly #recorded: readonly OpenSource[];
  readonly #offsets: readonly bigint[];
  #read = false;

  constructor(
    draft: Draft,
    recorded: readonly OpenSource[],
    offsets: readonly bigint[],
    snapshots: readonly OpenSource[],
    environment: readonly EnvironmentEvent[],
  ) {
    this.path = draft.path;
    this.manifest = draft.manifest;
    this.manifestText = draft.manifestText;
    this.expected = draft.expected;
    this.sources = [...recorded, ...snapshots];
    this.environment = environment;
    this.#log = draft.log;
    this.#recorded = recorded;
    this.#offsets = offsets;
  }

  get diagnostics(): Capture["diagnostics"] {
    return this.#log.kept;
  }

  get diagnosticsLeftOut(): number {
    return this.#log.leftOut;
  }

  events(signal?: AbortSignal): AsyncIterable<readonly Event[]> {
    if (this.#read) throw new Error("the events of a capture can be read once");
    this.#read = true;
    return this.#merged(signal);
  }

  async *#merged(signal?: AbortSignal): AsyncGenerator<readonly Event[]> {
    const lanes: Lane[] = [];
    const losses: Lane[] = [];
    for (const [index, source] of this.#recorded.entries()) {
      const offsetNs = this.#offsets[index] ?? 0n;
      lanes.push({ batches: this.#batches(source, index), offsetNs });
      const edges = await findGaps(source, index);
      if (edges.length > 0) losses.push({ batches: gapBatches(edges), offsetNs });
    }
    yield* merge([...lanes, ...losses], signal);
  }

  #batches(source: OpenSource, index: number): AsyncIterable<readonly Event[]> {
    const batches = readSource(source, index, this.#log);
    switch (source.format) {
      case "s390dbf":
        return inRingOrder(batches, source.file, this.#log);
      case "jsonl":
        return withoutEnvironment(batches);
      default:
        return batches;
    }
  }
}
