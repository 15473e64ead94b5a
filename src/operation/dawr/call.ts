/** The calls of the powerpc system. */
export type DawrCall = never;
