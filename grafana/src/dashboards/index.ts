// The dashboards, each in a file of its own.

import type { Board } from "../board.js";
import { fleet } from "./fleet.js";
import { ipc } from "./ipc.js";
import { laggy } from "./laggy.js";
import { live } from "./live.js";
import { operations } from "./operations.js";
import { processAndSystem } from "./process.js";
import { telemetry } from "./telemetry.js";

export const BOARDS: readonly Board[] = [laggy, ipc, operations, processAndSystem, live, telemetry, fleet];
