using System.Text.RegularExpressions;

namespace Edge.Testing;

/// <summary>Holds the command lines in the documents against the help of the program they call.</summary>
/// <param name="program">The program's name.</param>
/// <param name="project">Its project, for <c>dotnet run --project</c>.</param>
/// <param name="help">Gives the help of a command, by the words that name it.</param>
internal sealed partial class DocumentedCommands(string program, string project, Func<string[], string> help)
{
    private readonly Dictionary<string, Help> _helps = [];

    /// <summary>Everything that is wrong, a sentence each.</summary>
    internal IReadOnlyList<string> Problems()
    {
        var problems = new List<string>();
        int found = 0;
        foreach ((string place, string command) in MarkdownFile.All.SelectMany(file => file.Commands()))
        {
            if (Arguments(command) is { } arguments)
            {
                found++;
                string line = $"{place}: {program} {string.Join(' ', arguments)}";
                problems.AddRange(Check(arguments).Select(problem => $"{line}: {problem}"));
            }
        }

        return found > 0 ? problems : [$"No document calls {program}."];
    }

    // What stands behind the program's name; null for a line that does not call it.
    private string[]? Arguments(string command)
    {
        string[] words = command.Split((char[])[' ', '[', ']'], StringSplitOptions.RemoveEmptyEntries);
        int at = 0;
        while (at < words.Length && (words[at] == "sudo" || words[at].Contains('=')))
        {
            at++;
        }

        if (words.Length > at + 1 && words[at] == program)
        {
            return words[(at + 1)..];
        }

        int separator = Array.IndexOf(words, "--");
        bool isRun = command.StartsWith("dotnet run ", StringComparison.Ordinal) && words.Contains(project);
        return isRun && separator > 0 ? words[(separator + 1)..] : null;
    }

    private IEnumerable<string> Check(string[] arguments)
    {
        string[] path = [];
        foreach (string word in arguments)
        {
            if (!Of(path).Commands.Contains(word))
            {
                break;
            }

            path = [.. path, word];
        }

        Help known = Of(path);
        string[] rest = arguments[path.Length..];
        if (known.Commands.Count > 0 && rest.Length > 0 && !rest[0].StartsWith('-'))
        {
            yield return $"there is no such command; there are {string.Join(", ", known.Commands)}";
            yield break;
        }

        foreach (string option in rest.Where(word => OptionPattern().IsMatch(word)))
        {
            if (!known.Options.Contains(option))
            {
                yield return $"there is no option {option}";
            }
        }
    }

    private Help Of(string[] path)
    {
        string key = string.Join(' ', path);
        if (!_helps.TryGetValue(key, out Help? known))
        {
            _helps[key] = known = Help.Parse(help([.. path, "--help"]));
        }

        return known;
    }

    [GeneratedRegex("^--?[a-z]")]
    private static partial Regex OptionPattern();

    /// <summary>What the help of a command lists.</summary>
    private sealed partial record Help(IReadOnlyList<string> Commands, IReadOnlyList<string> Options)
    {
        internal static Help Parse(string text)
        {
            var commands = new List<string>();
            var options = new List<string>();
            string section = "";
            foreach (string line in text.Split('\n').Select(line => line.TrimEnd()))
            {
                if (line.EndsWith(':') && !line.StartsWith(' '))
                {
                    section = line;
                }
                else if (section == "Commands:" && EntryPattern().Match(line) is { Success: true } command)
                {
                    commands.Add(command.Groups[1].Value);
                }
                else if (section == "Options:" && line.StartsWith("  -", StringComparison.Ordinal))
                {
                    string names = line.Trim().Split("  ")[0];
                    options.AddRange(names.Split((char[])[' ', ',']).Where(word => word.StartsWith('-')));
                }
            }

            return new Help(commands, options);
        }

        [GeneratedRegex(@"^  ([a-z-]+)(\s|$)")]
        private static partial Regex EntryPattern();
    }
}
