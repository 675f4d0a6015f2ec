using System.Globalization;
using System.Text;

namespace Edge.Quantize.Reports;

/// <summary>One line of a plot.</summary>
/// <param name="Values">From left to right, evenly spaced; NaN leaves a gap.</param>
/// <param name="Style">0 for what is, 1 for float, 2 for int8.</param>
internal readonly record struct Series(IReadOnlyList<double> Values, int Style);

/// <summary>Small plots as inline SVG.</summary>
internal static class Plot
{
    private const int Width = 480;
    private const int Left = 58;
    private const int Right = 8;
    private const int Top = 8;
    private const int Bottom = 22;

    /// <summary>Lines over a common axis.</summary>
    /// <param name="series">What to draw, the first lowest.</param>
    /// <param name="from">Label of the left end.</param>
    /// <param name="to">Label of the right end.</param>
    /// <param name="height">Height in units of a width of 480.</param>
    /// <param name="fromZero">Whether the vertical axis starts at 0.</param>
    internal static string Lines(IReadOnlyList<Series> series, string from, string to, int height = 170, bool fromZero = false)
    {
        double[] all = series.SelectMany(line => line.Values).Where(double.IsFinite).ToArray();
        double low = fromZero ? 0 : all.DefaultIfEmpty(0).Min();
        double high = all.DefaultIfEmpty(1).Max();
        double least = 1e-3 * Math.Max(1, Math.Abs(high));
        if (high - low < least)
        {
            // A line that hardly moves is drawn level, not blown up.
            (low, high) = fromZero ? (0, Math.Max(1e-12, high * 1.5)) : (low - least, high + least);
        }

        double margin = 0.05 * (high - low);
        (low, high) = (fromZero ? 0 : low - margin, high + margin);
        var svg = new StringBuilder(Frame(low, high, from, to, height));
        foreach (Series line in series)
        {
            svg.Append($"<path class=\"s{line.Style}\" d=\"");
            bool isDown = false;
            for (int i = 0; i < line.Values.Count; i++)
            {
                if (!double.IsFinite(line.Values[i]))
                {
                    isDown = false;
                    continue;
                }

                double x = Left + ((Width - Left - Right) * (line.Values.Count == 1 ? 0.5 : i / (line.Values.Count - 1.0)));
                double y = Top + ((height - Top - Bottom) * (high - line.Values[i]) / (high - low));
                svg.Append(isDown ? 'L' : 'M').Append(Number(x)).Append(' ').Append(Number(y));
                isDown = true;
            }

            svg.Append("\"/>");
        }

        return svg.Append("</svg>").ToString();
    }

    /// <summary>Two histograms over the same bins: the first as area, the second as outline.</summary>
    internal static string Histogram(IReadOnlyList<double> first, IReadOnlyList<double> second, string from, string to, int height = 150)
    {
        double high = Math.Max(first.Max(), second.Max()) * 1.05;
        var svg = new StringBuilder(Frame(0, high, from, to, height));
        double step = (Width - Left - Right) / (double)first.Count;
        double scale = (height - Top - Bottom) / Math.Max(high, 1e-12);
        for (int i = 0; i < first.Count; i++)
        {
            svg.Append(
                $"<rect class=\"f1\" opacity=\".35\" x=\"{Number(Left + (i * step))}\" width=\"{Number(step)}\" "
                    + $"y=\"{Number(height - Bottom - (first[i] * scale))}\" height=\"{Number(first[i] * scale)}\"/>");
        }

        svg.Append("<path class=\"s2\" style=\"stroke-dasharray:none\" d=\"");
        for (int i = 0; i < second.Count; i++)
        {
            string y = Number(height - Bottom - (second[i] * scale));
            svg.Append(i == 0 ? 'M' : 'L').Append($"{Number(Left + (i * step))} {y}L{Number(Left + ((i + 1) * step))} {y}");
        }

        return svg.Append("\"/></svg>").ToString();
    }

    /// <summary>Horizontal bars with their names and figures.</summary>
    internal static string Bars(IReadOnlyList<(string Name, double Value, string Figure)> bars)
    {
        const int Row = 22;
        const int Names = 130;
        const int Figures = 70;
        double high = Math.Max(bars.Max(bar => bar.Value), 1e-12);
        var svg = new StringBuilder($"<svg viewBox=\"0 0 {Width} {(bars.Count * Row) + 4}\" role=\"img\">");
        for (int i = 0; i < bars.Count; i++)
        {
            double length = (Width - Names - Figures) * bars[i].Value / high;
            int y = i * Row;
            svg.Append($"<text x=\"{Names - 8}\" y=\"{y + 15}\" text-anchor=\"end\">{Page.Escape(bars[i].Name)}</text>");
            svg.Append($"<rect class=\"f1\" x=\"{Names}\" y=\"{y + 4}\" width=\"{Number(Math.Max(1, length))}\" height=\"14\" rx=\"2\"/>");
            svg.Append($"<text x=\"{Number(Names + length + 6)}\" y=\"{y + 15}\">{Page.Escape(bars[i].Figure)}</text>");
        }

        return svg.Append("</svg>").ToString();
    }

    /// <summary>A matrix as shades: rows from top to bottom, columns from left to right, 0 to 1.</summary>
    internal static string Shades(IReadOnlyList<IReadOnlyList<double>> rows, string from, string to, int height = 150)
    {
        var svg = new StringBuilder($"<svg viewBox=\"0 0 {Width} {height}\" role=\"img\">");
        double rowHeight = (height - Bottom) / (double)rows.Count;
        double step = (Width - Left - Right) / (double)rows[0].Count;
        for (int r = 0; r < rows.Count; r++)
        {
            for (int i = 0; i < rows[r].Count; i++)
            {
                string shade = Math.Clamp(rows[r][i], 0, 1).ToString("0.##", CultureInfo.InvariantCulture);
                svg.Append(
                    $"<rect class=\"f1\" opacity=\"{shade}\" x=\"{Number(Left + (i * step))}\" y=\"{Number(r * rowHeight)}\" "
                        + $"width=\"{Number(step + 0.3)}\" height=\"{Number(rowHeight + 0.3)}\"/>");
            }
        }

        svg.Append($"<rect class=\"axis\" x=\"{Left}\" y=\"0\" width=\"{Width - Left - Right}\" height=\"{height - Bottom}\"/>");
        return svg.Append(Ends(from, to, height)).Append("</svg>").ToString();
    }

    private static string Frame(double low, double high, string from, string to, int height)
    {
        var svg = new StringBuilder($"<svg viewBox=\"0 0 {Width} {height}\" role=\"img\">");
        foreach (double tick in Ticks(low, high))
        {
            double y = Top + ((height - Top - Bottom) * (high - tick) / (high - low));
            svg.Append(
                $"<path class=\"axis\" d=\"M{Left} {Number(y)}H{Width - Right}\"/><text x=\"{Left - 6}\" y=\"{Number(y + 4)}\" "
                    + $"text-anchor=\"end\">{Label(tick)}</text>");
        }

        return svg.Append(Ends(from, to, height)).ToString();
    }

    private static string Ends(string from, string to, int height) =>
        $"<text x=\"{Left}\" y=\"{height - 5}\">{Page.Escape(from)}</text><text x=\"{Width - Right}\" y=\"{height - 5}\" "
            + $"text-anchor=\"end\">{Page.Escape(to)}</text>";

    // Three to six round values: 1, 2 or 5 times a power of ten apart.
    private static IEnumerable<double> Ticks(double low, double high)
    {
        double raw = (high - low) / 4;
        double power = Math.Pow(10, Math.Floor(Math.Log10(raw)));
        double step = (raw / power) switch { < 1.5 => power, < 3.5 => 2 * power, < 7.5 => 5 * power, _ => 10 * power };
        for (double tick = Math.Ceiling(low / step) * step; tick <= high; tick += step)
        {
            yield return Math.Abs(tick) < step * 1e-9 ? 0 : tick;
        }
    }

    private static string Label(double value) => value.ToString("G5", CultureInfo.InvariantCulture);

    private static string Number(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);
}
