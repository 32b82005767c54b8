// Build: our sources and the locked packages become static/dist/: app.css, app.js, charts.js and the fonts.
import { build } from "esbuild";
import { rm } from "node:fs/promises";

const outdir = "../static/dist";

await rm(outdir, { recursive: true, force: true });
await build({
  entryPoints: ["src/app.js", "src/charts.js", "src/app.css"],
  outdir,
  bundle: true,
  minify: true,
  // light-dark() and popover decide the floor: what browsers have understood since 2024.
  target: ["chrome123", "firefox125", "safari17.5"],
  format: "iife",
  loader: { ".woff2": "file" },
  // Plain names: Django's manifest storage adds the hashes, and the page can preload a font by name.
  assetNames: "[name]",
  legalComments: "linked",
  logLevel: "warning",
});
