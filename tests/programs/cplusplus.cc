// The C++ library: streams, containers, strings, virtual calls, static constructors.

#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <iomanip>
#include <iostream>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

namespace {

struct Announcer {
    explicit Announcer(const char *name) : name_(name) {
        std::cout << "begin " << name_ << '\n';
    }
    ~Announcer() {
        std::cout << "end " << name_ << '\n';
    }
    const char *name_;
};

Announcer global("global");

struct Animal {
    virtual ~Animal() = default;
    virtual std::string sound() const = 0;
    virtual int legs() const {
        return 4;
    }
};

struct Dog : Animal {
    std::string sound() const override {
        return "woof";
    }
};

struct Bird : Animal {
    std::string sound() const override {
        return "tweet";
    }
    int legs() const override {
        return 2;
    }
};

void containers() {
    std::map<std::string, std::vector<int>> index;
    std::istringstream text("the cat and the dog and the bird");
    std::string word;
    for (int at = 0; text >> word; at++)
        index[word].push_back(at);
    for (const auto &[name, places] : index) {
        std::cout << name << ':';
        for (int place : places)
            std::cout << ' ' << place;
        std::cout << '\n';
    }

    std::unordered_map<int, int> squares;
    for (int i = 0; i < 10000; i++)
        squares[i * 7919] = i * i;
    long long sum = 0;
    for (const auto &[key, value] : squares)
        sum += key ^ value;
    std::cout << squares.size() << ' ' << sum << '\n';

    std::deque<int> deque;
    for (int i = 0; i < 1000; i++)
        i % 2 ? deque.push_back(i) : deque.push_front(i);
    std::set<int> evens;
    std::copy_if(deque.begin(), deque.end(), std::inserter(evens, evens.end()),
                 [](int i) { return i % 2 == 0; });
    std::list<int> list(evens.rbegin(), evens.rend());
    std::cout << deque.front() << ' ' << evens.size() << ' ' << list.front() << '\n';
}

void strings() {
    std::string text = "Kwast";
    text += std::to_string(1 << 20);
    text.insert(5, " ");
    std::reverse(text.begin(), text.begin() + 5);
    std::cout << text << ' ' << text.find("1048") << ' ' << text.substr(6) << '\n';
    std::string large(100000, 'x');
    large.replace(50000, 1, "needle");
    std::cout << large.find("needle") << ' ' << large.size() << '\n';
    std::cout << std::hex << std::showbase << 255 << std::dec << ' ' << std::setw(8)
              << std::setfill('.') << 42 << ' ' << std::fixed << std::setprecision(4) << 2.0 / 3
              << ' ' << std::scientific << 12345.678 << ' ' << std::boolalpha << true << '\n';
}

int apply(const std::function<int(int)> &f, int n) {
    return n == 0 ? 0 : f(n) + apply(f, n - 1);
}

} // namespace

int main(int argc, char **) {
    Announcer local("local");
    containers();
    strings();

    std::vector<std::unique_ptr<Animal>> animals;
    animals.push_back(std::make_unique<Dog>());
    animals.push_back(std::make_unique<Bird>());
    for (const auto &animal : animals)
        std::cout << animal->sound() << ' ' << animal->legs() << '\n';

    int factor = argc;
    std::cout << apply([factor](int n) { return n * factor; }, 100) << '\n';
    std::variant<int, std::string> either = std::string("variant");
    std::optional<int> none;
    std::cout << std::get<std::string>(either) << ' ' << none.value_or(-1) << '\n';
    std::array<int, 5> numbers{5, 3, 1, 4, 2};
    std::sort(numbers.begin(), numbers.end(), std::greater<>());
    std::cout << std::accumulate(numbers.begin(), numbers.end(), 0) << ' ' << numbers[0] << '\n';
    std::string line;
    int lines = 0;
    while (std::getline(std::cin, line))
        lines++;
    std::cout << lines << " lines" << std::endl;
    std::cerr << "to standard error\n";
    return 17;
}
