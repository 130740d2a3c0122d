// Grafana's units of what is counted: its own `cps` says no more than "c/s".

/** How the unit of what is counted begins: what follows stands behind the number. */
export const COUNTED = "count:";

const perSecond = (what: string): string => `${COUNTED}${what}/s`;

export const MESSAGES_PER_S = perSecond("msg");
export const SPANS_PER_S = perSecond("spans");
export const ITEMS_PER_S = perSecond("items");
export const TRACES_PER_S = perSecond("traces");
export const WAKES_PER_S = perSecond("wakes");
export const OPERATIONS_PER_S = perSecond("ops");
export const ERRORS_PER_S = perSecond("err");
export const REQUESTS_PER_S = perSecond("req");
/** Of what the panel's title names. */
export const TIMES_PER_S = perSecond("");
/** How many, without a time. */
export const MESSAGES = `${COUNTED}msg`;
export const OPERATIONS = `${COUNTED}ops`;
