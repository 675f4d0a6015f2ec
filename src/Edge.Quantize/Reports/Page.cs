using System.Net;
using System.Text;

namespace Edge.Quantize.Reports;

/// <summary>What stands first on a page.</summary>
/// <param name="Title">What the page shows.</param>
/// <param name="Lead">Of what model, over which rows.</param>
/// <param name="Tiles">Large figures with what they are.</param>
internal sealed record PageHead(string Title, string Lead, IReadOnlyList<(string Figure, string Meaning)> Tiles);

/// <summary>A self-contained HTML page: one file, no script, no network; it fits small and large screens, light and dark.</summary>
internal sealed class Page
{
    private const string Style = """
        :root{--ink:#1c2430;--dim:#667085;--line:#d8dde6;--paper:#fff;--card:#f6f8fb;--a:#2563eb;--b:#d9480f;--c:#8a94a6}
        @media(prefers-color-scheme:dark){
        :root{--ink:#e6eaf2;--dim:#98a2b3;--line:#323c4d;--paper:#12161d;--card:#1a2029;--a:#6ea8fe;--b:#ff9f6b;--c:#7d889b}}
        *{box-sizing:border-box}
        body{margin:0 auto;max-width:1060px;padding:20px 16px 48px;background:var(--paper);color:var(--ink);
        font:15px/1.5 system-ui,sans-serif}
        h1{font-size:1.45rem;margin:.2em 0 .1em;overflow-wrap:anywhere}h2{font-size:1.1rem;margin:2em 0 .4em}
        h3{font-size:.95rem;margin:1.2em 0 .2em}
        p{margin:.3em 0;color:var(--dim)}
        .tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:10px;margin:16px 0}
        .tile{background:var(--card);border-radius:10px;padding:10px 14px}.tile b{display:block;font-size:1.25rem}
        .tile span{color:var(--dim);font-size:.85rem}
        .wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;width:100%}
        th,td{padding:5px 10px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
        th:first-child,td:first-child{text-align:left;position:sticky;left:0;background:var(--paper)}
        th{color:var(--dim);font-weight:500;font-size:.85rem}
        @media(max-width:620px){
        .wide tr{display:grid;grid-template-columns:1fr 1fr;gap:2px 18px;padding:8px 0;border-bottom:1px solid var(--line)}
        .wide tr:first-child{display:none}.wide td{display:flex;justify-content:space-between;gap:8px;padding:0;border:0}
        .wide td:first-child{grid-column:1/-1;font-weight:600}
        .wide td:not(:first-child)::before{content:attr(data-of);color:var(--dim);font-size:.85rem}}
        .plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:6px 18px}
        figure{margin:0;max-width:560px}figcaption{font-size:.85rem;color:var(--dim);margin-top:8px}
        svg{width:100%;height:auto;display:block}svg text{font:13px system-ui,sans-serif;fill:var(--dim)}
        .axis{stroke:var(--line);stroke-width:1;fill:none}
        .s0{stroke:var(--c)}.s1{stroke:var(--a)}.s2{stroke:var(--b);stroke-dasharray:5 3}
        .s0,.s1,.s2{fill:none;stroke-width:1.6;stroke-linejoin:round}
        .f0{fill:var(--c)}.f1{fill:var(--a)}.f2{fill:var(--b)}
        .key{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:.85rem;color:var(--dim);margin:4px 0}
        .key i{display:inline-block;width:18px;border-top:3px solid;margin-right:6px;vertical-align:middle}
        """;

    private readonly StringBuilder _body = new();

    internal void Heading(int level, string text) => _body.Append($"<h{level}>{Escape(text)}</h{level}>\n");

    internal void Paragraph(string text) => _body.Append($"<p>{Escape(text)}</p>\n");

    /// <summary>Large figures with what they are.</summary>
    internal void Tiles(IEnumerable<(string Figure, string Meaning)> tiles)
    {
        _body.Append("<div class=\"tiles\">");
        foreach ((string figure, string meaning) in tiles)
        {
            _body.Append($"<div class=\"tile\"><b>{Escape(figure)}</b><span>{Escape(meaning)}</span></div>");
        }

        _body.Append("</div>\n");
    }

    /// <summary>A table; on a narrow screen, where it does not fit, a block a row with the names of the columns in it.</summary>
    internal void Table(IReadOnlyList<string> header, IEnumerable<IReadOnlyList<string>> rows)
    {
        _body.Append("<div class=\"wide\"><table><tr>").AppendJoin("", header.Select(cell => $"<th>{Escape(cell)}</th>")).Append("</tr>\n");
        foreach (IReadOnlyList<string> row in rows)
        {
            IEnumerable<string> cells = row.Select((cell, i) => $"<td data-of=\"{Escape(header[i])}\">{Escape(cell)}</td>");
            _body.Append("<tr>").AppendJoin("", cells).Append("</tr>\n");
        }

        _body.Append("</table></div>\n");
    }

    /// <summary>What the colors of the plots below mean.</summary>
    internal void Key(params (int Style, string Name)[] entries)
    {
        _body.Append("<div class=\"key\">");
        foreach ((int style, string name) in entries)
        {
            string color = style switch { 0 => "var(--c)", 1 => "var(--a)", _ => "var(--b)" };
            _body.Append($"<span><i style=\"border-color:{color}\"></i>{Escape(name)}</span>");
        }

        _body.Append("</div>\n");
    }

    /// <summary>Plots side by side where there is room.</summary>
    internal void Plots(IEnumerable<(string Caption, string Svg)> plots)
    {
        _body.Append("<div class=\"plots\">");
        foreach ((string caption, string svg) in plots)
        {
            _body.Append($"<figure><figcaption>{Escape(caption)}</figcaption>{svg}</figure>\n");
        }

        _body.Append("</div>\n");
    }

    internal void Write(string path, string title) => FileBytes.Write(path, Encoding.UTF8.GetBytes(
        $"""
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8">
        <meta name="viewport" content="width=device-width,initial-scale=1"><title>{Escape(title)}</title>
        <style>{Style}</style></head><body>
        {_body}</body></html>

        """));

    internal static string Escape(string text) => WebUtility.HtmlEncode(text);
}
