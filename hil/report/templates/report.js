"use strict";
// Plotly is 5 MB: it is loaded when the first timeline is opened, and only then.
let plotly = null;
function loadPlotly() {
  plotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "plotly.min.js";
    script.onload = resolve;
    script.onerror = () => reject(new Error("plotly.min.js is not beside this page"));
    document.head.append(script);
  });
  return plotly;
}
async function draw(details) {
  const plot = details.querySelector(".plot");
  if (plot.dataset.drawn) return;
  plot.dataset.drawn = "yes";
  try {
    await loadPlotly();
    const figure = JSON.parse(details.querySelector("script").textContent);
    await Plotly.newPlot(plot, figure.data, figure.layout, { responsive: true, displaylogo: false, displayModeBar: false });
  } catch (error) {
    plot.textContent = `The timeline cannot be drawn: ${error.message}.`;
  }
}
document.addEventListener("toggle", (event) => {
  if (event.target.matches("details.timeline") && event.target.open) draw(event.target);
}, true);
function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let place = target; place; place = place.parentElement) {
    if (place instanceof HTMLDetailsElement) place.open = true;
  }
  target.scrollIntoView();
}
addEventListener("hashchange", reveal);
addEventListener("DOMContentLoaded", reveal);
