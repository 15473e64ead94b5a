// Generates JavaScript and its type declarations from the .proto files of this folder.
//
//     node schemas/generate.mjs DIRECTORY...
//
// Every directory gets the same files; without one they go to src/event/generated. The build names dist as well,
// because the compiler copies neither .js nor .d.ts. Works from any working directory.

import { copyFile, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const { pbjs } = createRequire(import.meta.url)("protobufjs-cli");

const schemas = dirname(fileURLToPath(import.meta.url));
const root = dirname(schemas);
const names = ["event", "state", "report"];

/** Runs pbjs for one schema; writes NAME.js, and NAME.d.ts with the option --dts, into `directory`. */
function compile(name, directory, options) {
  const args = [
    ...["--target", "static-module", "--wrap", "esm"],
    // With its extension: protobufjs has no `exports`, so Node resolves nothing for an ES module.
    ...["--dependency", "protobufjs/minimal.js"],
    // A root of its own: schemas that share a package prefix would overwrite each other's in a common one.
    ...["--root", `kvm-conform-${name}`],
    ...["--path", schemas, "--no-service", "--no-typeurl"],
    ...["--out", join(directory, `${name}.js`)],
    ...options,
    // Relative, because pbjs takes the argument for a glob pattern, in which a path may hold special characters.
    relative(process.cwd(), join(schemas, `${name}.proto`)),
  ];
  return new Promise((done, failed) => {
    pbjs.main(args, (error) => (error ? failed(error) : done()));
  });
}

/** The declarations are made of the comments of the code, which the code itself then need not carry. */
async function generate(name, directory) {
  await compile(name, directory, ["--dts"]);
  await compile(name, directory, ["--no-comments"]);
}

const directories = process.argv.slice(2);
if (directories.length === 0) directories.push(join(root, "src", "event", "generated"));

for (const [index, directory] of directories.entries()) directories[index] = resolve(directory);
process.chdir(root);

// Made apart and renamed into place, so that a test run at the same time never reads half a file.
await mkdir(directories[0], { recursive: true });
const work = await mkdtemp(join(directories[0], ".new-"));
try {
  await Promise.all(names.map((name) => generate(name, work)));
  for (const file of names.flatMap((name) => [`${name}.js`, `${name}.d.ts`])) {
    for (const directory of directories.slice(1)) {
      await mkdir(directory, { recursive: true });
      await copyFile(join(work, file), join(directory, file));
    }
    await rename(join(work, file), join(directories[0], file));
  }
} finally {
  await rm(work, { recursive: true, force: true });
}
