// Puts the command of this checkout where npx looks first, as installing the package elsewhere would.
//
// Without it `npx kvm-conform` asks whether to install the package, and builds it again. On Windows, where npm makes
// scripts in place of links, that is what happens.

import { chmod, mkdir, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

if (process.platform !== "win32") {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const directory = join(root, "node_modules", ".bin");
  const link = join(directory, "kvm-conform");
  await chmod(join(root, "dist", "cli", "main.js"), 0o755);
  await mkdir(directory, { recursive: true });
  await rm(link, { force: true });
  await symlink(join("..", "..", "dist", "cli", "main.js"), link);
}
