// Grafana's units of what is counted: its own `cps` says no more than "c/s".

const perSecond = (what: string): string => `count:${what}/s`;

export const MESSAGES_PER_S = perSecond("msg");
export const SPANS_PER_S = perSecond("spans");
export const ITEMS_PER_S = perSecond("items");
export const TRACES_PER_S = perSecond("traces");
export const WAKES_PER_S = perSecond("wakes");
export const OPERATIONS_PER_S = perSecond("ops");
export const ERRORS_PER_S = perSecond("errors");
export const HANDLERS_PER_S = perSecond("handlers");
export const REQUESTS_PER_S = perSecond("requests");
/** Of what has a name in its legend. */
export const TIMES_PER_S = perSecond("times");
/** A number of messages. */
export const MESSAGES = "count:msg";
