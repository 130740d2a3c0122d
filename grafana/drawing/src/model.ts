// What goes from Node, which asks Prometheus, to the page, which draws: a dashboard's JSON as far as it
// is drawn, and the answers to its queries.

export interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly legendFormat: string;
  readonly format: "time_series" | "table" | "heatmap";
  readonly instant: boolean;
  readonly exemplar?: boolean;
}

export interface GridPos {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

export interface FieldConfig {
  readonly defaults: Readonly<Record<string, unknown>> & { readonly noValue?: string };
  readonly overrides: readonly unknown[];
}

/** A panel, or the head of a row, which has nothing but its title. */
export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: GridPos;
  readonly targets?: readonly Target[];
  readonly transformations?: readonly { readonly id: string; readonly options: unknown }[];
  readonly fieldConfig: FieldConfig;
  // Each kind of panel has its own, which its component reads.
  readonly options: any;
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly time: { readonly from: string };
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly label: string; readonly type: string }[] };
}

/** A sample as Prometheus writes it: seconds, and the value as a text. */
export type Sample = readonly [timeS: number, value: string];

export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  /** Of a range, or of an instant. */
  readonly values?: readonly Sample[];
  readonly value?: Sample;
}

export interface Exemplar {
  readonly timeS: number;
  readonly value: number;
}

export interface Answer {
  readonly target: Target;
  readonly series: readonly Series[];
  readonly exemplars: readonly Exemplar[];
}

/** A panel with the answers to its queries. */
export interface Answered {
  readonly panel: Panel;
  readonly answers: readonly Answer[];
  /** The interval of a range's samples. */
  readonly stepS: number;
}

/** All that the page needs to draw one dashboard. */
export interface Sheet {
  readonly title: string;
  readonly variables: readonly string[];
  readonly panels: readonly Answered[];
  readonly fromS: number;
  readonly toS: number;
  readonly width: number;
}

/** What is seen of one panel, as the page finds it in its own document. */
export interface Seen {
  readonly title: string;
  readonly type: string;
  /** It says that there is nothing to show, in these words. */
  readonly empty?: string;
  /** What of its title and its legend is not there, or does not fit. */
  readonly cut: readonly string[];
  /** A table's heads. */
  readonly columns: readonly string[];
  /** A table's first column, from the top. */
  readonly rows: readonly string[];
  /** The same in the order that its values ask for. */
  readonly sorted: readonly string[];
}
