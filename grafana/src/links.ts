// Links from a panel to the dashboard that answers the next question.

import type * as cog from "@grafana/grafana-foundation-sdk/cog";
import * as dashboard from "@grafana/grafana-foundation-sdk/dashboard";

/** A question, and the name of the dashboard that answers it. */
export interface Next {
  readonly question: string;
  readonly board: string;
}

/** The end of a dashboard's uid is its name. */
export const uidOf = (name: string): string => `spanwire-${name}`;

export function linksOf(next: readonly Next[]): cog.Builder<dashboard.DashboardLink>[] {
  return next.map(({ question, board }) =>
    new dashboard.DashboardLinkBuilder(question)
      .type(dashboard.DashboardLinkType.Link)
      // What is chosen here, the time among it, is chosen there too.
      .url(`/d/${uidOf(board)}?\${__url_time_range}&\${__all_variables}`),
  );
}
