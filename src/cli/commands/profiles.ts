import type { CommandModule } from "yargs";
import type { Context } from "../context.js";
import type { SystemText } from "../services.js";

/** `profiles`: what captures can be compared with. */
export function profilesCommand(context: Context): CommandModule {
  return {
    command: "profiles",
    describe: "List systems, their profiles, and the parameters that tell these apart",
    builder: (argv) => argv.example("$0 profiles", "names for --profile"),
    handler: async () => {
      const systems = await context.services.loadSystems();
      await context.io.stdout.writeAll([systems.map(describe).join("\n")]);
    },
  };
}

function describe({ system, profiles }: SystemText): string {
  let text = `${system}\n`;
  for (const { name, title, parameters } of profiles) {
    text += `  ${name}: ${title}\n`;
    const entries = Object.entries(parameters);
    const width = Math.max(0, ...entries.map(([key]) => key.length));
    for (const [key, value] of entries) text += `    ${key.padEnd(width)}  ${value}\n`;
  }
  return text;
}
