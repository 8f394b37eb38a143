// What the page does when it opens. Each module does its own part.

import { byId, data } from "./report.js";
import { onFilter, startFilters } from "./filters.js";
import { totals } from "./totals.js";
import { startTheme } from "./theme.js";
import { showChart, startChart } from "./chart.js";
import { openExposure, showEvidence, startEvidence } from "./evidence.js";
import { showBrands, showFigures, startTables } from "./tables.js";

document.documentElement.classList.add("scripted");
startTheme();
startTables();
if (byId("chart")) {
  startChart(openExposure);
  startEvidence();
  onFilter(() => {
    const sum = totals();
    for (const show of [showFigures, showChart, showBrands, showEvidence]) show(sum);
  });
  startFilters();
}
