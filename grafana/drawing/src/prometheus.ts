// Asks Prometheus as Grafana's data source does.

import type { Exemplar, Series } from "./model.js";

interface ExemplarsAnswer {
  readonly exemplars: readonly { readonly timestamp: number; readonly value: string }[];
}

export class Prometheus {
  constructor(private readonly url: string) {}

  async instant(query: string, timeS: number): Promise<readonly Series[]> {
    const { result } = await this.ask<{ result: Series[] }>("query", { query, time: String(timeS) });
    return result;
  }

  async range(query: string, grid: readonly number[], stepS: number): Promise<readonly Series[]> {
    const { result } = await this.ask<{ result: Series[] }>("query_range", {
      query,
      start: String(grid[0]),
      end: String(grid.at(-1)),
      step: String(stepS),
    });
    return result;
  }

  async exemplars(query: string, fromS: number, toS: number): Promise<Exemplar[]> {
    const parameters = { query, start: String(fromS), end: String(toS) };
    const found = await this.ask<ExemplarsAnswer[]>("query_exemplars", parameters);
    return found.flatMap(({ exemplars }) =>
      exemplars.map(({ timestamp, value }) => ({ timeS: timestamp, value: Number(value) })),
    );
  }

  private async ask<Data>(path: string, parameters: Record<string, string>): Promise<Data> {
    const response = await fetch(`${this.url}/api/v1/${path}`, {
      method: "POST",
      body: new URLSearchParams(parameters),
    });
    const answer = (await response.json()) as { status: string; error?: string; data: Data };
    if (answer.status !== "success") {
      throw new Error(`${answer.error}: ${parameters["query"]}`);
    }
    return answer.data;
  }
}
