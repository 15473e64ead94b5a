/** What the flags of an open say. */
export interface OpenMode {
  readonly access: "read" | "write" | "both";
  readonly create: boolean;
  readonly closeOnExec: boolean;
}

/** Texts of flags that are kept: there are some dozens. */
const MAX_MODES = 256;
const openModes = new Map<string, OpenMode>();

export function openMode(flags: string): OpenMode {
  const known = openModes.get(flags);
  if (known !== undefined) return known;
  const mode: OpenMode = {
    access: flags.includes("O_RDWR") ? "both" : flags.includes("O_WRONLY") ? "write" : "read",
    create: flags.includes("O_CREAT"),
    closeOnExec: flags.includes("O_CLOEXEC"),
  };
  if (openModes.size >= MAX_MODES) openModes.clear();
  openModes.set(flags, mode);
  return mode;
}

/** Of descriptors that KVM and VFIO make, and of those that were open before the recording. */
export const closedOnExec: OpenMode = { access: "both", create: false, closeOnExec: true };
export const inherited: OpenMode = { access: "both", create: false, closeOnExec: false };
