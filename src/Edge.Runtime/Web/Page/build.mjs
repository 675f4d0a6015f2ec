// Bundles source/ into built/: two files and two that are copied. The same lock file gives the same bytes.
import { build } from "esbuild";
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";

const target = process.argv[2] ?? "built";
rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
const license = readFileSync("node_modules/uplot/LICENSE", "utf8").trim();
await build({
  entryPoints: { page: "source/main.js" },
  bundle: true,
  minify: true,
  format: "iife",
  target: ["chrome110", "firefox110", "safari16"],
  legalComments: "none",
  banner: { js: `/* Contains uPlot.\n${license}\n*/` },
  outdir: target,
});
await build({ entryPoints: { page: "source/page.css" }, bundle: true, minify: true, outdir: target });
for (const name of ["index.html", "icon.svg"]) {
  copyFileSync(`source/${name}`, `${target}/${name}`);
}

for (const name of readdirSync(target)) {
  const text = readFileSync(`${target}/${name}`, "utf8");
  writeFileSync(`${target}/${name}`, text.endsWith("\n") ? text : `${text}\n`);
}
