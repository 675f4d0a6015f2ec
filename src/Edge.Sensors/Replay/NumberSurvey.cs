using System.Text.RegularExpressions;
using Edge.Inference;

namespace Edge.Sensors.Replay;

/// <summary>How the first rows of a recording write numbers: with a decimal point or comma, and with which unit behind them.</summary>
/// <param name="file">The recording.</param>
/// <param name="columns">Names of the columns.</param>
/// <param name="separator">What stands between two cells. A semicolon is there because the comma is a decimal one.</param>
internal sealed partial class NumberSurvey(string file, IReadOnlyList<string> columns, string separator)
{
    private readonly Cell?[] _first = new Cell?[columns.Count];
    private readonly string[] _units = [.. columns.Select(_ => "")];
    private Cell? _thousands;
    private Cell? _otherUnit;
    private Cell? _point;
    private Cell? _comma;
    private bool _isAmbiguous = separator != ";";

    /// <summary>Adds a cell. One that does not begin with a number says nothing.</summary>
    internal void Add(int column, string text, int line)
    {
        (string number, string unit) = CellText.Split(text);
        if (number.Length == 0 || (_first[column] is not null && unit != _units[column] && IsText(text, number)))
        {
            return;
        }

        var cell = new Cell(column, text, number, line);
        if (_first[column] is null)
        {
            (_first[column], _units[column]) = (cell, unit);
        }

        _otherUnit ??= unit == _units[column] ? null : cell;
        _thousands ??= CellText.HasThousands(number) ? cell : null;
        _point ??= PointPattern().IsMatch(number) ? cell : null;
        if (CommaPattern().IsMatch(number))
        {
            _comma ??= cell;
            _isAmbiguous &= CellText.IsAmbiguous(number);
        }
    }

    /// <summary>The unit behind the numbers of each column, or "".</summary>
    /// <exception cref="InputException">A column has several, or one in some cells only.</exception>
    internal string[] Units() => _otherUnit is not { } cell
        ? _units
        : throw new InputException(
            $"{Where(cell)} has another unit than {PrintableText.Quoted(_first[cell.Column]!.Text)} in line {_first[cell.Column]!.Line}. "
                + "Write the same unit behind every number of the column, or none.");

    /// <summary>Whether numbers have a decimal comma.</summary>
    /// <exception cref="InputException">It cannot be told, or numbers have thousands separators.</exception>
    internal bool HasDecimalComma()
    {
        if (_thousands is { } grouped)
        {
            throw new InputException(
                $"{Where(grouped)} has thousands separators. Write numbers without them, this one as {CellText.Plain(grouped.Number)}.");
        }

        if (_comma is { } comma && _point is { } point)
        {
            throw new InputException(
                $"{Where(comma)} has a decimal comma, and {PrintableText.Quoted(point.Text)} in line {point.Line} has a decimal point. "
                    + "Write all numbers in one way.");
        }

        return _comma is { } either && _isAmbiguous
            ? throw new InputException(
                $"{Where(either)} may be {either.Number.Replace(',', '.')} or {CellText.Plain(either.Number.Replace(',', ' '))}, and no "
                    + "other number tells. Write numbers with a decimal point, and without thousands separators.")
            : _comma is not null;
    }

    // Letters right behind a number are a unit only if the first number of the column has it: 3rd and 12Z are text.
    private static bool IsText(string text, string number) => text.Length > number.Length && char.IsLetter(text[number.Length]);

    private string Where(Cell cell) =>
        $"Readings '{file}', line {cell.Line}, column '{columns[cell.Column]}': {PrintableText.Quoted(cell.Text)}";

    private sealed record Cell(int Column, string Text, string Number, int Line);

    [GeneratedRegex(@"^[+-]?\d*\.\d+([eE][+-]?\d+)?$")]
    private static partial Regex PointPattern();

    [GeneratedRegex(@"^[+-]?\d+,\d+([eE][+-]?\d+)?$")]
    private static partial Regex CommaPattern();
}
