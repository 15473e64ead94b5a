/** An open file description: shared by all descriptors that dup, fork or a socket made of it. */
export interface OpenFile<O> {
  readonly object: O;
  /** Descriptors that stand for it. */
  references: number;
  /** For an attribute: whether it was read from the start since it was opened (one show a descriptor). */
  shown: boolean;
  /** Its opening was not recorded: where its next read begins is not known. */
  readonly openUnseen?: true;
  readonly closeOnExec: boolean;
}

/** Numbers below stand in a list: almost every descriptor of a recording is a small one. */
const SMALL = 1024;

/** The descriptors of a process (shared between tasks that were cloned with CLONE_FILES). */
export class DescriptorTable<O> {
  private readonly small: (OpenFile<O> | undefined)[] = [];
  private readonly others = new Map<number, OpenFile<O>>();
  /** Descriptors that close on exec, or do not, whatever their file was opened with. */
  private readonly onExec = new Map<number, boolean>();

  get(fd: number): OpenFile<O> | undefined {
    return fd >= 0 && fd < SMALL ? this.small[fd] : this.others.get(fd);
  }

  /** Puts a file at a descriptor; returns the file whose last descriptor this replaced, if any. */
  put(fd: number, file: OpenFile<O>): OpenFile<O> | undefined {
    const before = this.get(fd);
    if (before === file) return undefined;
    file.references++;
    this.set(fd, file);
    if (this.onExec.size > 0) this.onExec.delete(fd);
    return before === undefined ? undefined : release(before);
  }

  /** Says whether a descriptor closes on exec: a duplicate, or one whose flag was set. */
  setCloseOnExec(fd: number, closes: boolean): void {
    const file = this.get(fd);
    if (file === undefined) return;
    if (file.closeOnExec === closes) this.onExec.delete(fd);
    else this.onExec.set(fd, closes);
  }

  /** Removes a descriptor; returns the file if it was its last one. */
  close(fd: number): OpenFile<O> | undefined {
    const file = this.get(fd);
    if (file === undefined) return undefined;
    this.clear(fd);
    return release(file);
  }

  /** Removes the descriptors that `leaves` chooses; returns the files that were closed for good, in descriptor order. */
  closeWhere(leaves: (fd: number, file: OpenFile<O>) => boolean): OpenFile<O>[] {
    const closed: OpenFile<O>[] = [];
    for (const [fd, file] of this.entries()) {
      if (!leaves(fd, file)) continue;
      this.clear(fd);
      const last = release(file);
      if (last !== undefined) closed.push(last);
    }
    return closed;
  }

  /** Removes the descriptors that an exec closes; returns as {@link closeWhere}. */
  exec(): OpenFile<O>[] {
    return this.closeWhere((fd, file) => this.onExec.get(fd) ?? file.closeOnExec);
  }

  /** A copy for a forked child. */
  fork(): DescriptorTable<O> {
    const child = new DescriptorTable<O>();
    for (const [fd, file] of this.entries()) {
      file.references++;
      child.set(fd, file);
    }
    for (const [fd, closes] of this.onExec) child.onExec.set(fd, closes);
    return child;
  }

  /** The objects of the files that the process holds, each file once. */
  objects(): readonly O[] {
    let shared: Set<OpenFile<O>> | undefined;
    const objects: O[] = [];
    for (const [, file] of this.entries()) {
      // A file with one descriptor is not met again.
      if (file.references > 1) {
        shared ??= new Set();
        if (shared.has(file)) continue;
        shared.add(file);
      }
      objects.push(file.object);
    }
    return objects;
  }

  /** The file of each descriptor. */
  files(): readonly OpenFile<O>[] {
    return this.entries().map(([, file]) => file);
  }

  /** All descriptors in order. */
  private entries(): readonly (readonly [fd: number, file: OpenFile<O>])[] {
    const entries: [number, OpenFile<O>][] = [];
    for (let fd = 0; fd < this.small.length; fd++) {
      const file = this.small[fd];
      if (file !== undefined) entries.push([fd, file]);
    }
    if (this.others.size === 0) return entries;
    return [...entries, ...this.others].sort((a, b) => a[0] - b[0]);
  }

  private set(fd: number, file: OpenFile<O>): void {
    if (fd >= 0 && fd < SMALL) this.small[fd] = file;
    else this.others.set(fd, file);
  }

  private clear(fd: number): void {
    if (this.onExec.size > 0) this.onExec.delete(fd);
    if (fd >= 0 && fd < SMALL) this.small[fd] = undefined;
    else this.others.delete(fd);
  }
}

function release<O>(file: OpenFile<O>): OpenFile<O> | undefined {
  file.references--;
  return file.references <= 0 ? file : undefined;
}
