using Edge.Quantize.Evaluation;

namespace Edge.Quantize.Reports;

internal static class HtmlReport
{
    internal static void Write(string? path, EvaluationReport report, TextWriter output)
    {
        _ = (path, report, output);
    }
}
