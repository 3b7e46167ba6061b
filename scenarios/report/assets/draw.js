"use strict";
for (const source of document.querySelectorAll("script.figure")) {
  Plotly.newPlot(source.dataset.chart, JSON.parse(source.textContent));
}
