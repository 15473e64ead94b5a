import type { Services } from "./services.js";

/** The real thing. */
export const defaultServices: Services = {
  loadCheck: async () => (await import("../check/check.js")).check,
  loadReplay: async () => (await import("../check/replay.js")).replay,
  loadCoverage: async () => (await import("../check/coverage.js")).coverage,
  loadFirings: async () => (await import("../check/firings.js")).firings,
  loadRules: async () => (await import("../model/registry.js")).ruleRegistry,
  loadSystems: async () => (await import("../model/registry.js")).systems,
  loadIngest: () => import("../capture/ingest.js"),
};
