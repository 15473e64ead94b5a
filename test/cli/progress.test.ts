import { beforeEach, describe, expect, it, vi } from "vitest";
import { Output } from "../../src/cli/io.js";
import { startProgress } from "../../src/cli/progress.js";
import { Sink } from "./fakes.js";

/** A terminal of so many columns. */
function terminal(columns: number): { sink: Sink; output: Output } {
  const sink = new Sink();
  const moves = { cursorTo: () => true, clearLine: () => true, moveCursor: () => true };
  return { sink, output: new Output(Object.assign(sink, { isTTY: true, columns, ...moves })) };
}

describe("progress", () => {
  // Whoever runs the tests may be a CI, or have a dumb terminal.
  beforeEach(() => {
    vi.stubEnv("CI", undefined);
    vi.stubEnv("TERM", "xterm");
    return () => vi.unstubAllEnvs();
  });

  it("shows a line and takes it away", async () => {
    const { sink, output } = terminal(80);
    const progress = await startProgress(output, true);
    progress.update("run\u001b[31m-1", 1234567);
    progress.stop();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(sink.text).toContain("run\\x1b[31m-1: 1,234,567 events");
  });

  it.each([
    ["it is not wanted", 80, false],
    ["the terminal has no width", 0, true],
  ])("shows nothing where %s", async (_why, columns, wanted) => {
    const { sink, output } = terminal(columns);
    const progress = await startProgress(output, wanted);
    progress.update("run", 1);
    progress.stop();
    expect(sink.text).toBe("");
  });

  it.each([
    ["CI", "true"],
    ["TERM", "dumb"],
  ])("shows nothing where %s=%s", async (name, value) => {
    vi.stubEnv(name, value);
    const { sink, output } = terminal(80);
    const progress = await startProgress(output, true);
    progress.update("run", 1);
    progress.stop();
    expect(sink.text).toBe("");
  });

  it("shows nothing where there is no terminal", async () => {
    const sink = new Sink();
    (await startProgress(new Output(sink), true)).update("run", 1);
    expect(sink.text).toBe("");
  });
});
