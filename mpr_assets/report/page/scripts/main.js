// What the page does when it opens. Each module does its own part.

import { byId } from "./report.js";
import { onFilter, startFilters } from "./filters.js";
import { totals } from "./totals.js";
import { startTheme } from "./theme.js";
import { chartOnPaper, showChart, startChart } from "./chart.js";
import { showCharts, startCharts } from "./charts.js";
import { showCompare, startCompare } from "./compare.js";
import { showEvidence, startEvidence } from "./evidence.js";
import { showBrands, showFigures, startTables } from "./tables.js";
import { openExposure, startViewer } from "./viewer.js";

document.documentElement.classList.add("scripted");
startTheme();
startTables();
if (byId("chart")) {
  startChart(openExposure);
  startCharts();
  startCompare();
  startEvidence();
  onFilter(() => {
    const sum = totals();
    for (const show of [showFigures, showChart, showCharts, showBrands, showCompare, showEvidence]) show(sum);
  });
  startFilters();
  addEventListener("beforeprint", chartOnPaper);
  // What is behind the scripts, the pictures, is there by then.
  addEventListener("DOMContentLoaded", startViewer);
}
