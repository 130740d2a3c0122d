// Where runbooks are. The files are `docs/runbooks/`, one for each alert; `spanwire alerts export` writes
// them beside the rules, and adds `runbook_url` when `--runbooks` says where they are published.

/** The runbook of an alert, by its path where the rules are exported to. */
export const runbookFile = (alert: string): string => `runbooks/${alert}.md`;
