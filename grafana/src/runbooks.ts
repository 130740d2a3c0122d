// Where runbooks are read. The files are `docs/runbooks/`, one for each alert.

export const RUNBOOK_BASE = "https://github.com/spanwire/spanwire/blob/main/docs/runbooks/";

export const runbookUrl = (alert: string): string => `${RUNBOOK_BASE}${alert}.md`;
