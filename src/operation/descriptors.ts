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

/** The descriptors of a process (shared between tasks that were cloned with CLONE_FILES). */
export class DescriptorTable<O> {
  private readonly files = new Map<number, OpenFile<O>>();

  get(fd: number): OpenFile<O> | undefined {
    return this.files.get(fd);
  }

  /** Puts a file at a descriptor; returns the file whose last descriptor this replaced, if any. */
  put(fd: number, file: OpenFile<O>): OpenFile<O> | undefined {
    const before = this.files.get(fd);
    if (before === file) return undefined;
    file.references++;
    this.files.set(fd, file);
    return before === undefined ? undefined : release(before);
  }

  /** Removes a descriptor; returns the file if it was its last one. */
  close(fd: number): OpenFile<O> | undefined {
    const file = this.files.get(fd);
    if (file === undefined) return undefined;
    this.files.delete(fd);
    return release(file);
  }

  /** Removes the descriptors that `leaves` chooses; returns the files that were closed for good, in descriptor order. */
  closeWhere(leaves: (fd: number, file: OpenFile<O>) => boolean): OpenFile<O>[] {
    const closed: OpenFile<O>[] = [];
    for (const [fd, file] of [...this.files].sort((a, b) => a[0] - b[0])) {
      if (!leaves(fd, file)) continue;
      this.files.delete(fd);
      const last = release(file);
      if (last !== undefined) closed.push(last);
    }
    return closed;
  }

  /** A copy for a forked child. */
  fork(): DescriptorTable<O> {
    const child = new DescriptorTable<O>();
    for (const [fd, file] of this.files) {
      file.references++;
      child.files.set(fd, file);
    }
    return child;
  }

  /** The files of one kind that the process holds, without repetition. */
  *objects(): Generator<O> {
    const seen = new Set<OpenFile<O>>();
    for (const file of this.files.values()) {
      if (seen.has(file)) continue;
      seen.add(file);
      yield file.object;
    }
  }
}

function release<O>(file: OpenFile<O>): OpenFile<O> | undefined {
  file.references--;
  return file.references <= 0 ? file : undefined;
}
