import { describe, expect, it } from "vitest";
import { runWith } from "./fakes.js";

describe("the command line", () => {
  it.each([[["--help"]], [["-h"]]])("%j prints the help", async (argv) => {
    const { code, out, err } = await runWith(argv);
    expect(code).toBe(0);
    expect(err).toBe("");
    for (const command of ["check", "ingest", "replay", "explain", "profiles"]) {
      expect(out).toContain(`kvm-conform ${command}`);
    }
    expect(out).toContain("Exit status");
  });

  it.each(["check", "ingest", "replay", "explain", "profiles"])("%s --help shows examples", async (command) => {
    const { code, out } = await runWith([command, "--help"]);
    expect(code).toBe(0);
    expect(out).toContain("Examples:");
    expect(out).toContain(`kvm-conform ${command}`);
  });

  it("prints its version", async () => {
    const { code, out } = await runWith(["--version"]);
    expect(code).toBe(0);
    expect(out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([
    [[], "name a command"],
    [["chek", "x"], "there is no command chek. Did you mean check?"],
    [["check"], "Not enough non-option arguments"],
    [["check", "good", "--bogus"], "bogus"],
    [["check", "good", "--profile"], "profile"],
    [["check", "good", "--profile", "linux-7"], "no profile linux-7; these are: aqic-v9, linux-6.1, pre-dawr1"],
    [["check", "good", "--profile", "dawr=linux-6.1"], "no profile linux-6.1; these are: pre-dawr1"],
    [["check", "good", "--profile", "tape=x"], "no system tape; these are: ap, dawr"],
    [["check", "good", "--fact", "hostAqicStatus=1"], "expected SYSTEM.NAME=VALUE"],
    [["check", "good", "--fact", "ap.hostAqicStatus"], "expected SYSTEM.NAME=VALUE"],
    [["check", "good", "--fact", "tape.x=1"], "there is no system tape; these are: ap, dawr"],
    [["check", "good", "--reporter", "xml"], "no reporter xml; these are: text, json"],
    [["check", "good", "--reporter", "json="], "the name of the file is missing"],
    [["check", "good", "--reporter", "json", "--reporter", "text"], "can't share standard output"],
    [["check", "good", "--reporter", "json=/no/such/dir/x"], "/no/such/dir is no directory"],
    [["check", "good", "--reporter", "json=/tmp"], "is a directory"],
    [["check", "good", "--max-divergences", "many"], "whole number"],
    [["check", "good", "--max-divergences", "-1"], "whole number"],
    [["check", "good", "--force"], "--force goes with --update"],
    [["replay", "x", "--profile", "all"], "only `check` compares with every profile"],
    [["coverage", "x", "--profile", "ap=all"], "only `check` compares with every profile"],
    [["coverage", "x", "--min", "101"], "from 0 to 100"],
    [["coverage", "x", "--min", "much"], "from 0 to 100"],
    [["coverage", "x", "--reporter", "xml"], "no reporter xml; these are: text, json"],
    [["explain", "IRQ-4", "run", "--first", "-1"], "whole number"],
    [["explain", "aqic", "run"], "aqic is a specification"],
    [["replay", "x", "--at", "0"], "1 or more"],
    [["replay", "x", "--at", "3001"], "no operation of this number"],
    [["replay", "x", "--at", "1", "--delta"], "without --states and --delta"],
    [["replay", "x", "--states", "xml"], "jsonl"],
    [["explain", "NOPE-1"], "there is no rule NOPE-1"],
    [["explain", "SHARE-99"], "near it: ap-config/SHARE-2"],
    [["explain", "ASG-1"], "several rules are called ASG-1: ap-config/ASG-1, aqic/ASG-1"],
    [["ingest", "x"], "-o FILE.kce"],
    [["ingest", "x", "--to", "jsonl", "-o", "y"], "standard output"],
    [["ingest", "x", "--to", "xml"], "kce"],
  ])("%j is a usage error", async (argv, message) => {
    const { code, out, err } = await runWith(argv);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(message);
    expect(err).not.toMatch(/\n\s+at /);
  });

  it("answers a bug of ours with a short text, and the stack where it is asked for", async () => {
    const plain = await runWith(["check", "throw"]);
    expect(plain.code).toBe(70);
    expect(plain.err).toContain("internal error: TypeError: x is not a function");
    expect(plain.err).not.toMatch(/\n\s+at /);
    const debug = await runWith(["check", "throw"], { env: { KVM_CONFORM_DEBUG: "1" } });
    expect(debug.code).toBe(70);
    expect(debug.err).toMatch(/\n\s+at /);
  });

  it("ends with 130 where it is interrupted", async () => {
    const { code, out, err } = await runWith(["check", "hang"], { signal: AbortSignal.abort() });
    expect({ code, out, err }).toEqual({ code: 130, out: "", err: "" });
  });

  it("is quiet where nobody reads its output, and keeps the verdict's status", async () => {
    expect(await runWith(["check", "bad"], { stdout: "EPIPE" })).toMatchObject({ code: 1, err: "" });
    expect(await runWith(["replay", "x"], { stdout: "EPIPE" })).toMatchObject({ code: 0, err: "" });
  });

  it("says so where its output can't be written", async () => {
    const { code, err } = await runWith(["check", "bad"], { stdout: "ENOSPC" });
    expect(code).toBe(2);
    expect(err).toContain("the output can't be written: write ENOSPC");
  });
});
