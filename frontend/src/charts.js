// Charts: OEE over time and the Pareto of down time, drawn from the figures that the page carries as JSON.
// Canvas and rich-text tooltips: both keep to a policy without inline styles.
import { use, init } from "echarts/core";
import { BarChart, LineChart } from "echarts/charts";
import { GridComponent, TooltipComponent, AriaComponent } from "echarts/components";
import { CanvasRenderer } from "echarts/renderers";

use([BarChart, LineChart, GridComponent, TooltipComponent, AriaComponent, CanvasRenderer]);

const SIGNS = { oee: "circle", availability: "triangle", performance: "rect", quality: "diamond" };
const DASHES = { oee: "solid", availability: [6, 4], performance: [2, 3], quality: [10, 4, 2, 4] };
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const drawn = new Map();

// A token's value as a colour: a custom property alone would give back the text "light-dark(...)".
function colour(token) {
  const probe = document.createElement("span");
  probe.style.color = `var(${token})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

function look() {
  const family = getComputedStyle(document.body).fontFamily;
  return {
    ink: colour("--ink"), soft: colour("--ink-soft"), line: colour("--line"), strong: colour("--line-strong"),
    surface: colour("--surface"), bar: colour("--series-bar"), other: colour("--state-unknown"), family,
  };
}

function tooltip(paint, formatter, extra = {}) {
  return {
    renderMode: "richText", confine: true, trigger: "axis", backgroundColor: paint.surface, borderColor: paint.strong, borderWidth: 1,
    textStyle: { color: paint.ink, fontFamily: paint.family, fontSize: 13, lineHeight: 20 }, padding: [8, 12], formatter, ...extra,
  };
}

const percent = (value) => (value === null || value === undefined ? "–" : `${(value * 100).toFixed(1)} %`);

function trendOption(data, shown, paint) {
  const text = { color: paint.soft, fontFamily: paint.family, fontSize: 12 };
  const highest = Math.max(1, ...data.series.flatMap((series) => series.values.filter((value) => value !== null)));
  return {
    animation: !still, animationDuration: 300,
    aria: { enabled: true, label: { description: data.spoken } },
    grid: { left: 4, right: 12, top: 12, bottom: 4, containLabel: true },
    tooltip: tooltip(paint, (points) => {
      const at = points[0]?.dataIndex ?? 0;
      const lines = data.series.filter((series) => shown.has(series.key)).map((series) => `${series.name}  ${series.texts[at]}`);
      return [data.labels[at], ...lines].join("\n");
    }),
    xAxis: {
      type: "category", data: data.ticks, boundaryGap: data.ticks.length <= 31, axisLabel: { ...text, hideOverlap: true },
      axisLine: { lineStyle: { color: paint.strong } }, axisTick: { show: false },
    },
    yAxis: {
      type: "value", min: 0, max: Math.ceil(highest * 5) / 5, interval: 0.2, axisLabel: { ...text, formatter: (value) => `${Math.round(value * 100)} %` },
      splitLine: { lineStyle: { color: paint.line } },
    },
    series: data.series.filter((series) => shown.has(series.key)).map((series) => {
      const ink = colour(`--series-${series.key}`);
      const main = series.key === "oee";
      return {
        name: series.name, type: "line", data: series.values, connectNulls: false, symbol: SIGNS[series.key], symbolSize: main ? 7 : 6,
        showSymbol: series.values.length <= 40 || series.values.filter((value) => value !== null).length === 1,
        lineStyle: { color: ink, width: main ? 3 : 2, type: DASHES[series.key] }, itemStyle: { color: ink }, z: main ? 5 : 3,
        emphasis: { disabled: true },
      };
    }),
  };
}

function paretoOption(data, paint, width) {
  const text = { color: paint.soft, fontFamily: paint.family, fontSize: 12 };
  const room = Math.min(160, Math.round(width * 0.34));
  // Where there is no room beside the bars, the adding line would cross out their words: the table has the shares.
  const roomy = width >= 420;
  return {
    animation: !still, animationDuration: 300,
    aria: { enabled: true, label: { description: data.spoken }, decal: { show: false } },
    grid: { left: 4, right: 72, top: roomy ? 26 : 4, bottom: 4, containLabel: true },
    tooltip: tooltip(paint, (points) => data.bars[points[0]?.dataIndex ?? 0].said, { axisPointer: { type: "shadow" } }),
    yAxis: {
      type: "category", inverse: true, data: data.bars.map((bar) => bar.name), axisTick: { show: false }, axisLine: { show: false },
      axisLabel: { ...text, color: paint.ink, width: room, overflow: "truncate", ellipsis: "…" },
    },
    xAxis: [
      { type: "value", show: false, min: 0 },
      {
        type: "value", show: roomy, position: "top", min: 0, max: 1, interval: 0.5, axisLabel: { ...text, formatter: (value) => `${value * 100} %` },
        splitLine: { lineStyle: { color: paint.line, type: "dashed" } },
      },
    ],
    series: [
      {
        type: "bar", xAxisIndex: 0, barMaxWidth: 18, emphasis: { disabled: true },
        data: data.bars.map((bar) => ({
          value: bar.seconds,
          itemStyle: bar.unclassified
            ? { color: paint.other, borderColor: paint.strong, borderWidth: 1, borderType: "dashed", borderRadius: [0, 3, 3, 0] }
            : { color: paint.bar, borderRadius: [0, 3, 3, 0] },
        })),
      },
      {
        // The same bars unseen, above the line, so that it never crosses out their words.
        type: "bar", xAxisIndex: 0, barMaxWidth: 18, barGap: "-100%", z: 6, silent: true, emphasis: { disabled: true }, itemStyle: { color: "transparent" },
        data: data.bars.map((bar) => ({
          value: bar.seconds,
          label: { show: true, position: "right", formatter: bar.text, color: paint.ink, fontFamily: paint.family, fontSize: 12, backgroundColor: paint.surface, padding: [1, 3], borderRadius: 3 },
        })),
      },
      {
        type: "line", xAxisIndex: 1, data: roomy ? data.bars.map((bar, row) => [bar.cumulative, row]) : [], symbol: "circle", symbolSize: 6,
        lineStyle: { color: paint.soft, width: 1.5 }, itemStyle: { color: paint.soft }, emphasis: { disabled: true }, z: 4,
      },
    ],
  };
}

function draw(box) {
  const source = document.getElementById(box.dataset.source);
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const chart = drawn.get(box) ?? init(box, null, { renderer: "canvas" });
  drawn.set(box, chart);
  const paint = look();
  if (box.dataset.chart === "trend") {
    const toggles = [...document.querySelectorAll(`input[data-series][data-of="${box.id}"]`)];
    const shown = new Set(["oee", ...toggles.filter((toggle) => toggle.checked).map((toggle) => toggle.dataset.series)]);
    chart.setOption(trendOption(data, shown, paint), { notMerge: true });
  } else {
    chart.setOption(paretoOption(data, paint, box.clientWidth), { notMerge: true });
  }
}

function drawAll() {
  for (const box of document.querySelectorAll("[data-chart]")) draw(box);
}

document.addEventListener("change", (event) => {
  const box = event.target.dataset?.series && document.getElementById(event.target.dataset.of);
  if (box) draw(box);
});
document.addEventListener("theme-changed", drawAll);
const watch = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    drawn.get(target)?.resize();
  }
});
drawAll();
for (const box of drawn.keys()) watch.observe(box);
